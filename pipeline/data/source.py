"""The data set that params.yaml names, read from where it comes from."""

from pipeline.data.finite import Finite
from pipeline.data.truth import Points
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import DATASETS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of


def dataset(params: Params) -> Points | Finite:
    """Points of a known truth, or a finite set. Raises BadInput for a kind of the user's own that gives neither."""
    kind = kind_of(params.data)
    source = DATASETS[kind](params.data, params.evaluation.selection or 0)
    if not isinstance(source, Points | Finite):
        raise BadInput(f"data.kind {kind} gives {type(source).__name__} instead of Points or Finite")
    if isinstance(source, Points) != params.data.has_truth:
        said = f"has_truth = {isinstance(source, Points)}"
        raise BadInput(f"data.kind {kind} gives {type(source).__name__}: its settings must say {said}")
    return source

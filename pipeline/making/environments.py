"""Chains that were begun on another kind of machine: their bits are not mixed with those made here without a word."""

from collections.abc import Iterable

from pipeline.experiment.chains import Chain
from pipeline.experiment.machine import environment
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.records.ledger import finished
from pipeline.storage.files import read_json
from pipeline.storage.layout import ENVIRONMENT, METRICS, Layout


def others(params: Params, wanted: Iterable[Chain]) -> list[str]:
    """The chains that were made in another environment than today's, a line each.

    Raises BadInput where params.yaml asks for a device that is not there.
    """
    layout, today, lines = Layout(params.experiment), environment(params)["environment"], []
    for chain in wanted:
        base = layout.base(chain.seed) / ENVIRONMENT
        files = [folder / METRICS for folder in finished(params, chain, MAX_GENERATIONS)]
        made = dict.fromkeys(read_json(file).get("environment", today) for file in [base, *files] if file.exists())
        if strange := [each for each in made if each != today]:
            lines.append(f"{chain} was made with {' and '.join(strange)}; here it is {today}: bits may differ from here on")
    return lines

"""Study `sweep`: the chains of some arms, trained whole, with other values at any keys of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.analysis.rows import flat
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, Broken
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Name, Section, Seed
from pipeline.generation import steps
from pipeline.making.transactions import make_whole
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, Layout
from pipeline.studies.bench.study import PLAIN, Bench, Row


class Settings(Section):
    """`settings` of the study's file: whose chains are trained (all arms'), and how the best point is found.

    `metric` is a column of collapse.csv, and `best` says which end of it is wanted, where that is not known of the metric. The
    best point is chosen on `selection_seeds` and reported on the others.
    """

    arms: Annotated[list[Name], Field(min_length=1)] | None = None
    metric: Annotated[str, Field(min_length=1)] = "fid"
    best: Literal["lowest", "highest"] | None = None
    selection_seeds: list[Seed] = Field(default_factory=list)


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where an arm is not there, an axis is another arm's, or seeds to choose or to report by are missing."""
    for arm in settings.arms or []:
        if arm not in params.arms:
            raise ValueError(f"settings.arms: {arm!r} is not allowed: the preset with the changes has {', '.join(params.arms)}")
    for axis in axes:
        section, _, rest = axis.partition(".")
        if section == "arms" and settings.arms and rest.partition(".")[0] not in settings.arms:
            raise ValueError(f"axes.{axis}: is not allowed: settings.arms has {', '.join(settings.arms)} alone")
    chosen, seeds = settings.selection_seeds, axes.get("seed", [])
    if strange := sorted(set(chosen) - set(seeds)):
        there = f"axes.seed has {seeds}" if seeds else "there is no axes.seed"
        raise ValueError(f"settings.selection_seeds: {strange[0]} is not allowed: {there}")
    if chosen and set(chosen) == set(seeds):
        raise ValueError(f"settings.selection_seeds: {chosen} is not allowed: no other seed is left to report by")


def point(bench: Bench) -> list[Row]:
    """Every generation's metrics of the arms' chains, of which one that breaks has its last row without them."""
    params, settings = bench.params, bench.settings
    known = flat(read_json(Layout(params.experiment).facts).get("floors", {}))
    if settings.metric not in known and not settings.metric.startswith("fid_base"):
        raise BadInput(f"settings.metric: {settings.metric!r} is not allowed: one of {', '.join(sorted(known))}")
    arms = settings.arms or [arm for arm in params.arms if arm != PLAIN]
    base = Layout(params.experiment).base(bench.seed)
    base.mkdir(parents=True)
    try:
        steps.train_base(params, bench.seed, base)
    except ArithmeticError as error:
        return [{"arm": arm, "generation": 1, "broken": str(error)} for arm in arms]
    return [row for arm in arms for row in _chain(params, Chain(arm, bench.seed))]


def _chain(params: Params, chain: Chain) -> list[Row]:
    rows, layout = list[Row](), Layout(params.experiment)
    for generation in range(1, params.length(chain.arm) + 1):
        try:
            make_whole(params, chain, generation)
        except Broken as error:
            if not isinstance(error.__cause__, ArithmeticError):  # a fault of the user's code is no result
                raise
            return [*rows, {"arm": chain.arm, "generation": generation, "broken": str(error)}]
        rows.append({"arm": chain.arm} | read_json(layout.generation(chain, generation) / METRICS))
    return rows

"""Study `improvement`: a single model, better than itself. FID against the guidance w, for auxiliary budgets and sizes of S.

One base and one fine-tuning a point (its weight averages are looked at along the way), many samplings. SIMS and Neon use the
same networks and the same latents as the base.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.experiment.arms import Guidance
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Section, Seed
from pipeline.generation.job import draw, load_model
from pipeline.judging.evaluation import fid
from pipeline.storage.layout import BASE
from pipeline.studies.bench.fine_tuning import COMBINE, Budgets, auxiliary_of, fine_tuned
from pipeline.studies.bench.study import Bench, Row, guided_fid


class Settings(Section):
    """`settings` of the study's file: who chooses and the grid; budgets are steps of one fine-tuning, multiples of 64."""

    selection_seeds: Annotated[list[Seed], Field(min_length=1)]
    budgets: Budgets
    guidances: Annotated[list[Guidance], Field(min_length=1)]
    strategies: Annotated[list[Literal["sims", "neon"]], Field(min_length=1)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError unless there are seeds to choose by and others to report by, and the budgets can be looked at."""
    strange = set(settings.selection_seeds) - set(axes["seed"])
    if strange:
        raise ValueError(f"settings.selection_seeds: {min(strange)} is not allowed: axes.seed has {axes['seed']}")
    if set(axes["seed"]) == set(settings.selection_seeds):
        raise ValueError(
            f"settings.selection_seeds: {settings.selection_seeds} is not allowed: no other seed is left to report by"
        )


def point(bench: Bench) -> list[Row]:
    """A base and an auxiliary on n of its samples: FID at every budget (in steps) and guidance, for SIMS and Neon."""
    params, settings = bench.params, bench.settings
    job, n = bench.base(), int(bench.at["n"])
    base, count = load_model(job, BASE), params.evaluation.n
    tuned = fine_tuned(job, base, draw(job, base, "auxiliary", n)[:n], list(settings.budgets))
    fid_base = fid(params, draw(job, base, "synthetic", count).values)
    rows: list[Row] = []
    for budget in settings.budgets:
        auxiliary = auxiliary_of(job, tuned.kept[budget])
        for w in settings.guidances:
            for strategy in settings.strategies:
                reached = fid_base if w == 0 else guided_fid(job, COMBINE[strategy](base, auxiliary, w))
                rows.append({"strategy": strategy, "budget": budget, "w": w, "fid": reached, "fid_base": fid_base})
    return rows

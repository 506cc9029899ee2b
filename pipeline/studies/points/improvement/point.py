"""Study `improvement`: a single model, better than itself. FID against the guidance w, for auxiliary budgets and sizes of S.

One base and one fine-tuning a point (its weight averages are looked at along the way), many samplings. SIMS and Neon use the
same networks and the same latents as the base.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.examples import CHUNK_STEPS
from models.diffusion.guidance import merged, sims
from models.diffusion.training import State, Watch, train
from pipeline.data.samples import Labelled, joined
from pipeline.experiment.arms import Guidance
from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Section, Seed
from pipeline.generation import compute
from pipeline.generation.examples import examples
from pipeline.generation.job import draw, fresh_model, load_model
from pipeline.judging.evaluation import fid
from pipeline.storage.layout import BASE
from pipeline.studies.bench.study import Bench, Row, guided_fid

COMBINE: dict[str, Callable[[Denoiser, Denoiser, float], Denoise]] = {"sims": sims, "neon": merged}


@dataclass
class Snapshots:
    """Keeps the weight average at some steps of a training, which asks for it where it would keep a checkpoint."""

    wanted: list[int]
    kept: dict[int, State] = field(default_factory=dict)

    def load(self) -> None:
        """There is nothing to go on from."""

    def keep(self, state: State) -> None:
        """Keep the averages of a step that is wanted."""
        if int(state["step"]) in self.wanted:
            prefix = "average."
            averages = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            self.kept[int(state["step"])] = {name: value.clone() for name, value in averages.items()}


class Settings(Section):
    """`settings` of the study's file: who chooses and the grid; budgets are steps of one fine-tuning, multiples of 64."""

    selection_seeds: Annotated[list[Seed], Field(min_length=1)]
    budgets: Annotated[list[Annotated[int, Field(ge=CHUNK_STEPS, multiple_of=CHUNK_STEPS)]], Field(min_length=1)]
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
    auxiliaries = snapshots(bench, base, draw(job, base, "auxiliary", n)[:n])
    fid_base = fid(params, draw(job, base, "synthetic", count).values)
    rows: list[Row] = []
    for budget, auxiliary in auxiliaries.items():
        for w in settings.guidances:
            for strategy in settings.strategies:
                reached = fid_base if w == 0 else guided_fid(job, COMBINE[strategy](base, auxiliary, w))
                rows.append({"strategy": strategy, "budget": budget, "w": w, "fid": reached, "fid_base": fid_base})
    return rows


def snapshots(bench: Bench, base: Denoiser, drawn: Labelled) -> dict[int, Denoiser]:
    """The auxiliary after each of the budgets (in steps) of one fine-tuning."""
    params, budgets = bench.params, list(bench.settings.budgets)
    longest = params.auxiliary.model_copy(update={"steps": max(budgets)})
    device, job = device_of(params), bench.job(1)
    kept = Snapshots(budgets)

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"fine-tune-{stream}", index)

    seen = examples(joined([drawn]), device, job.classes, getattr(params.data, "flip", False))
    train(base, seen, compute.budget(longest, params), seed_of, Watch(kept, CHUNK_STEPS * longest.batch))
    auxiliaries = {}
    for budget in budgets:
        auxiliaries[budget] = fresh_model(job, "init")
        auxiliaries[budget].load_state_dict(kept.kept[budget])
        auxiliaries[budget].ready(device).eval()
    return auxiliaries

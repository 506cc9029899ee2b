"""One fine-tuning of an auxiliary, looked at along the way: its weight average after each of several budgets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.examples import CHUNK_STEPS
from models.diffusion.guidance import merged, sims
from models.diffusion.training import State, Watch, train
from pipeline.data.samples import Labelled, joined
from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params
from pipeline.generation import compute
from pipeline.generation.examples import examples
from pipeline.generation.job import Job, fresh_model

Budgets = Annotated[list[Annotated[int, Field(ge=CHUNK_STEPS, multiple_of=CHUNK_STEPS)]], Field(min_length=1)]
"""Steps of one fine-tuning at which the auxiliary is looked at."""
COMBINE: dict[str, Callable[[Denoiser, Denoiser, float], Denoise]] = {"sims": sims, "neon": merged, "autoguidance": sims}
"""What a strategy makes of the base, the second model and w."""


@dataclass
class Snapshots:
    """Keeps the weight average at some steps of a training, which asks for it where it would keep a checkpoint.

    Attributes:
        wanted: the steps.
        kept: the average's weights at each.
        seconds: from the beginning to each.
    """

    wanted: list[int]
    kept: dict[int, State] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def load(self) -> None:
        """There is nothing to go on from."""

    def keep(self, state: State) -> None:
        """Keep the averages of a step that is wanted."""
        step = int(state["step"])
        if step in self.wanted:
            prefix = "average."
            averages = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            self.kept[step] = {name: value.clone() for name, value in averages.items()}
            self.seconds[step] = time.perf_counter() - self.began


def fine_tuned(job: Job, base: Denoiser, drawn: Labelled, budgets: list[int]) -> Snapshots:
    """The auxiliary's weights after each of the budgets (in steps) of one fine-tuning of the base on what was drawn."""
    params = job.params
    longest = params.auxiliary.model_copy(update={"steps": max(budgets)})
    kept = Snapshots(budgets)

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"fine-tune-{stream}", index)

    seen = examples(joined([drawn]), device_of(params), job.classes, getattr(params.data, "flip", False))
    train(base, seen, compute.budget(longest, params), seed_of, Watch(kept, CHUNK_STEPS * longest.batch))
    return kept


def auxiliary_of(job: Job, state: State, params: Params | None = None) -> Denoiser:
    """The second model with these weights, of the network of `params` or the base's, ready to be evaluated."""
    auxiliary = fresh_model(job, "init", params)
    auxiliary.load_state_dict(state)
    return auxiliary.ready(device_of(job.params)).eval()

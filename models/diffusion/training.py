"""Training a denoiser: Adam, learning-rate schedule, exponential moving average of the weights."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from models.diffusion import world
from models.diffusion.adam import Adam
from models.diffusion.arithmetic import EXACT
from models.diffusion.averages import Average
from models.diffusion.budget import Budget
from models.diffusion.buffers import flatten
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import CHUNK_STEPS, Batch, Examples, SeedOf, batches, chunk_steps
from models.diffusion.loss import loss
from models.diffusion.posthoc_ema import Snapshot, Snapshots
from models.diffusion.power_function import gamma_of, power_decay

State = dict[str, Tensor]


class Checkpoint(Protocol):
    """Where the state of a training that is under way is kept."""

    def load(self) -> State | None:
        """The state that was kept last; None at the start."""

    def keep(self, state: State) -> None:
        """Keep the state, in place of the former."""


class NonFiniteLoss(ArithmeticError):
    """The loss became NaN or infinite; says at which step and learning rate."""


@dataclass
class Watch:
    """What is kept of a training beside the model.

    Attributes:
        checkpoint: where states are kept, if anywhere, whenever `images` more have been seen, or so many `seconds` are over,
            and at the end.
        curve: the mean loss of every CHUNK_STEPS steps is appended to it.
        progress: is told, as often, how many steps are done, and that mean.
        snapshots: averages that are kept for later, if any.
        processes: how many processes have trained, one number whenever it was another than before.
    """

    checkpoint: Checkpoint | None = None
    images: float = 0
    seconds: float = math.inf
    curve: list[float] = field(default_factory=list)
    progress: Callable[[int, float], None] | None = None
    snapshots: Snapshots | None = None
    processes: list[int] = field(default_factory=list)


def train(denoiser: Denoiser, examples: Examples, budget: Budget, seed_of: SeedOf, watch: Watch | None = None) -> Denoiser:
    """Train a copy of the denoiser (`loss`) and return the average of its weights, ready to be evaluated.

    A training that was stopped goes on from its checkpoint, to the same bits. What the network draws at a step (dropout) is a
    function of its number and the seeds. Weights are normalised before each step where the network has `normalise_weights`, and
    only those that train: no average. Several processes (`world`) train one model, each on its part of every batch; the first
    keeps states. Raises NonFiniteLoss.
    """
    watch = watch or Watch()
    run = _Run(denoiser, examples.device, budget, watch.snapshots)
    state = watch.checkpoint.load() if watch.checkpoint else None
    start = kept = 0
    kept_at = time.monotonic()
    if state is not None:
        start = kept = run.restore(state)
        watch.curve += state["curve"].tolist()
        watch.processes += state["processes"].tolist()
    if watch.processes[-1:] != [world.size()]:
        watch.processes.append(world.size())
    chunk = chunk_steps(examples.shape, budget.batch)
    for step, batch in enumerate(batches(examples, budget, denoiser.sigma_data, seed_of, start), start):
        run.step(step, batch, seed_of(f"network{world.rank() or ''}", step))
        if step % CHUNK_STEPS == CHUNK_STEPS - 1 or step == budget.steps - 1:
            watch.curve.append(run.mean_loss(step))
            if watch.progress:
                watch.progress(step + 1, watch.curve[-1])
        long_ago = (step + 1 - kept) * budget.batch >= watch.images or time.monotonic() - kept_at >= watch.seconds
        due = (step + 1) % chunk == 0 and long_ago
        if watch.checkpoint and (due or step + 1 == budget.steps):
            kept, kept_at = step + 1, time.monotonic()
            said = {"curve": torch.tensor(watch.curve), "processes": torch.tensor(watch.processes)}
            if world.rank() == 0:
                watch.checkpoint.keep(run.state(kept) | said)
    return run.result()


class _Run:
    """The state of a training, and what a step does with it."""

    def __init__(self, denoiser: Denoiser, device: torch.device, budget: Budget, snapshots: Snapshots | None) -> None:
        self.budget, self.device, self.snapshots = budget, device, snapshots
        self.model = deepcopy(denoiser).requires_grad_(True).ready(device).train()
        self.average = Average(self.model, budget.ema_decay)
        self.profiles = [_power_average(self.model, length) for length in snapshots.sigma_rels] if snapshots else []
        self.weights = flatten(self.model)
        self.normalise = getattr(self.model.network, "normalise_weights", None)
        self.optimizer = Adam(self.weights)
        self.regress = getattr(self.model.network, "regress", None) if denoiser.arithmetic == EXACT else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=denoiser.arithmetic.precision == "fp16")
        self.losses = torch.zeros(CHUNK_STEPS, device=device)

    def step(self, number: int, batch: Batch, seed: int) -> None:
        """One step of the optimizer and of the average; what the network draws in it follows from the seed."""
        self.optimizer.rate = self.budget.rate(number)
        _seed(self.device, seed)
        if self.normalise:
            self.normalise()
        self.optimizer.zero_grad()
        whole = len(batch.x)
        mine = batch.split(whole // world.size())[world.rank()]
        parts = mine.split(self.budget.microbatch) if self.budget.microbatch else [mine]
        losses = [self._backward(part, whole) for part in parts]
        for weights in self.weights:
            assert weights.grad is not None
            world.add_up(weights.grad)
        self.scaler.step(self.optimizer)  # type: ignore[arg-type]  # which has all that it asks for
        self.scaler.update()
        for average in (self.average, *self.profiles):
            average.update(self.weights, number)
        if self.snapshots and self.snapshots.are_due(number, whole, self.budget.steps):
            self._keep(self.snapshots, (number + 1) * whole)
        total = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        self.losses[number % CHUNK_STEPS] = world.add_up(total)

    def _backward(self, part: Batch, whole: int) -> Tensor:
        """Add the gradients of a part of the batch; gives its share of the batch's mean loss."""
        if self.regress and len(part.x) == whole:
            regressed: Tensor = self.regress(part.x, part.c_noise, part.target, **part.conditions)
            return regressed
        mean = loss(self.model, part)
        if len(part.x) != whole:
            mean = mean * (len(part.x) / whole)
        self.scaler.scale(mean).backward()
        return mean.detach()

    def _keep(self, snapshots: Snapshots, images: int) -> None:
        """Keep the averages of the snapshots' lengths as they are."""
        for length, profile in zip(snapshots.sigma_rels, self.profiles):
            profile.take_buffers(self.model)
            snapshots.keep(Snapshot(images, length, _on_cpu(profile.model.state_dict())))

    def mean_loss(self, step: int) -> float:
        """The mean loss of the last steps, up to `step`. Raises NonFiniteLoss (a look at each would wait for the device)."""
        seen = self.losses[: step % CHUNK_STEPS + 1]
        broken = (~seen.isfinite()).nonzero()
        if len(broken):
            first = step - step % CHUNK_STEPS + int(broken[0])
            raise NonFiniteLoss(f"the loss is not finite at step {first}, learning rate {self.budget.rate(first):g}")
        return float(seen.mean())

    def result(self) -> Denoiser:
        """The average, with the model's running statistics."""
        self.average.take_buffers(self.model)
        return self.average.denoiser()

    def state(self, step: int) -> State:
        """All that the rest of the training depends on, as tensors with names."""
        state = {"step": torch.tensor(step), "losses": self.losses}
        state |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        state |= {f"{place}.{name}": value for place, model in self._averages() for name, value in model.state_dict().items()}
        state |= self.optimizer.state()
        state |= {f"scaler.{name}": torch.tensor(value) for name, value in self.scaler.state_dict().items()}
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}

    def _averages(self) -> list[tuple[str, Denoiser]]:
        """All averages, by the names that their states have."""
        profiles = [(f"profile{index}", each.model) for index, each in enumerate(self.profiles)]
        return [("average", self.average.model), *profiles]

    def restore(self, state: State) -> int:
        """Take up a state; gives the number of steps that are done."""

        def under(prefix: str) -> State:
            return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        for place, model in self._averages():
            model.load_state_dict(under(f"{place}."))
        self.optimizer.restore(state)
        if scale := under("scaler."):
            self.scaler.load_state_dict({name: value.item() for name, value in scale.items()})
        self.losses.copy_(state["losses"])
        return int(state["step"])


def _seed(device: torch.device, seed: int) -> None:
    """Seed the device's global generator: the only one that layers like dropout draw from."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _power_average(model: Denoiser, sigma_rel: float) -> Average:
    """The average of a length that post-hoc reconstruction is made from."""
    gamma = gamma_of(sigma_rel)
    return Average(model, lambda step: power_decay(gamma, step + 1))


def _on_cpu(state: State) -> State:
    """A copy."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}

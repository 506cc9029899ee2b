"""Training a denoiser: Adam, learning-rate schedule, exponential moving average of the weights."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from models.diffusion.denoiser import Denoiser, log_normal, regression

State = dict[str, Tensor]
SeedOf = Callable[[str, int], int]
"""(stream, index) -> 64-bit seed; streams are "batches" (index: epoch), "noise" (index: chunk), "network" (index: step)."""


class Checkpoint(Protocol):
    """Where the state of a training that is under way is kept."""

    def load(self) -> State | None:
        """The state that was kept last; None at the start."""

    def keep(self, state: State) -> None:
        """Keep the state, in place of the former."""


CHUNK_STEPS = 64
"""Batches are prepared so many steps at a time ..."""
CHUNK_VALUES = 2**22
"""... but no more values at once than this, so that memory stays small."""


class NonFiniteLoss(ArithmeticError):
    """The loss became NaN or infinite; says at which step and learning rate."""


@dataclass(frozen=True)
class Budget:
    """How long and how fast to train. Images seen = steps * batch."""

    steps: int
    batch: int
    learning_rate: float
    warmup: float  # share of the steps in which the rate rises linearly
    cosine: bool  # afterwards: decay to zero on a half cosine, or stay constant
    ema: float  # half-life of the weight average, as a share of the images seen so far
    p_mean: float
    p_std: float

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = self.warmup * self.steps
        if step < rise:
            return self.learning_rate * min(1.0, (step + 1) / rise)
        if not self.cosine:
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(self.steps - rise, 1)))

    def ema_decay(self, step: int) -> float:
        """What remains of the weight average at a step; with ema = 0 the average is the last weights."""
        return 0.5 ** (1 / (self.ema * (step + 1))) if self.ema else 0.0


def chunk_steps(data: Tensor, budget: Budget) -> int:
    """How many steps' batches are prepared at a time."""
    return max(1, min(CHUNK_STEPS, CHUNK_VALUES // (budget.batch * data[0].numel())))


def batches(
    data: Tensor, budget: Budget, sigma_data: float, seed_of: SeedOf, start: int = 0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The network's inputs, c_noise and targets, one batch a step, from `start` on (a multiple of `chunk_steps`, or the end).

    Every epoch is a permutation of its own; what a step gets is a function of its number, the budget and the seeds alone.
    """
    chunk = chunk_steps(data, budget)
    generator = torch.Generator(data.device)
    order = torch.empty(0, dtype=torch.int64, device=data.device)
    epoch = 0
    for index, first in enumerate(range(0, budget.steps, chunk)):
        size = min(chunk, budget.steps - first) * budget.batch
        while len(order) < size:
            generator.manual_seed(seed_of("batches", epoch))
            order = torch.cat([order, torch.randperm(len(data), generator=generator, device=data.device)])
            epoch += 1
        picked, order = order[:size], order[size:]
        if first < start:
            continue
        generator.manual_seed(seed_of("noise", index))
        sigma = log_normal(generator, (size,), budget.p_mean, budget.p_std)
        y = data[picked]
        noise = torch.randn(y.shape, generator=generator, device=data.device)
        yield from zip(*(part.split(budget.batch) for part in regression(y, noise, sigma, sigma_data)))


def train(
    denoiser: Denoiser,
    data: Tensor,
    budget: Budget,
    seed_of: SeedOf,
    checkpoint: Checkpoint | None = None,
    images: int = 0,
    curve: list[float] | None = None,
) -> Denoiser:
    """Train a copy of the denoiser on data [N, ...] with EDM's loss (Eq. 8) and return the average of its weights.

    With a checkpoint, the state is kept whenever `images` more have been seen, and at the end; a training that was stopped goes
    on from there, to the same bits. What the network draws at a step (dropout) is a function of its number and the seeds. The
    mean loss of every CHUNK_STEPS steps is appended to `curve`. Raises NonFiniteLoss.
    """
    curve = [] if curve is None else curve
    model = deepcopy(denoiser).requires_grad_(True).to(data.device).train()
    average = deepcopy(model).requires_grad_(False).eval()
    weights: list[Tensor] = list(model.parameters())
    averages: list[Tensor] = list(average.parameters())
    optimizer = torch.optim.Adam(weights, lr=budget.learning_rate, betas=(0.9, 0.99), fused=True)
    losses = torch.zeros(CHUNK_STEPS, device=data.device)
    state = checkpoint.load() if checkpoint else None
    start = kept = 0
    if state is not None:
        start = kept = _restore(state, model, average, optimizer)
        curve += state["curve"].tolist()
        losses.copy_(state["losses"])
    chunk = chunk_steps(data, budget)
    seed_network = _seeder(data.device)
    for step, (x, c_noise, target) in enumerate(batches(data, budget, denoiser.sigma_data, seed_of, start), start):
        optimizer.param_groups[0]["lr"] = budget.rate(step)
        seed_network(seed_of("network", step))
        loss = mse_loss(model.network(x, c_noise), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - budget.ema_decay(step))
        losses[step % CHUNK_STEPS] = loss.detach()
        if step % CHUNK_STEPS == CHUNK_STEPS - 1 or step == budget.steps - 1:
            seen = losses[: step % CHUNK_STEPS + 1]
            _check_finite(seen, step, budget)
            curve.append(float(seen.mean()))
        due = (step + 1) % chunk == 0 and (step + 1 - kept) * budget.batch >= images
        if checkpoint and (due or step + 1 == budget.steps):
            kept = step + 1
            checkpoint.keep(_state(kept, model, average, optimizer) | {"curve": torch.tensor(curve), "losses": losses.cpu()})
    with torch.no_grad():  # running statistics, which are no parameters
        for ours, theirs in zip(average.buffers(), model.buffers()):
            ours.copy_(theirs)
    return average


def _seeder(device: torch.device) -> Callable[[int], object]:
    """Seeds the device's global generator: the only one that layers like dropout draw from."""
    return torch.cuda.manual_seed if device.type == "cuda" else torch.default_generator.manual_seed


def _state(step: int, model: Denoiser, average: Denoiser, optimizer: torch.optim.Optimizer) -> State:
    """All that the rest of a training depends on, as tensors with names."""
    state = {"step": torch.tensor(step)}
    state |= {f"model.{name}": value for name, value in model.state_dict().items()}
    state |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _restore(state: State, model: Denoiser, average: Denoiser, optimizer: torch.optim.Optimizer) -> int:
    """Take up a state; gives the number of steps that are done."""
    for prefix, module in (("model.", model), ("average.", average)):
        module.load_state_dict({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})
    moments: dict[int, State] = {}
    for name, value in state.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(state["step"])


def _check_finite(losses: Tensor, step: int, budget: Budget) -> None:
    """Look at the losses of the steps up to `step` at once (a look at each would wait for the device)."""
    broken = (~losses.isfinite()).nonzero()
    if len(broken):
        first = step - step % CHUNK_STEPS + int(broken[0])
        raise NonFiniteLoss(f"the loss is not finite at step {first}, learning rate {budget.rate(first):g}")

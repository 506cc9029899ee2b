"""A training step: the program's own loop beside a plain EDM loop of the same network, and beside the machine's bound.

    python benchmarks/training.py [--preset gaussian digits fashion cifar10-small] [--threads 1] [--batch N]

The plain loop is what one writes first: noise and loss made step by step, torch's Adam without fusing, an average that walks
over the parameters. Numerics: on the same batches both must end at the same averages, up to rounding. The bound is the
rate of 1024 x 1024 products in the same run; its share counts all products of a step. Stand-in data: the time does not depend
on them. On a CPU `cifar10-small` is trained in float32, uncompiled, 8 images at a time.
"""

import statistics
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import torch
from comparison import HOME, Table, arguments, in_turn, wait
from torch.utils.flop_counter import FlopCounterMode

from models.diffusion.arithmetic import EXACT
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import CHUNK_STEPS, Batch, Held, batches
from models.diffusion.training import Watch, train
from pipeline.experiment import machine
from pipeline.experiment.params import load
from pipeline.generation import compute

SHAPES = {"gaussian": (2,), "digits": (1, 8, 8), "fashion": (1, 14, 14), "cifar10-small": (3, 32, 32)}
TARGETS = {"gaussian": (2.2, 0.30), "digits": (1.25, 0.80), "fashion": (1.2, None)}
SIZE = 1024
"""Of the matrices whose product is the bound."""
SECONDS = 1.5
"""About how long one side takes in a turn."""


class Plain:
    """The plain loop, on examples of its own or on given batches."""

    def __init__(self, denoiser: Denoiser, values: torch.Tensor, budget: Budget) -> None:
        self.denoiser, self.values, self.budget = denoiser, values, budget

    def drawn(self) -> Iterator[Batch]:
        """EDM's noise and regression (arXiv 2206.00364, Table 1, Eq. 8), a step at a time."""
        s = self.denoiser.sigma_data
        values = self.values.float() / 127.5 - 1 if self.values.dtype == torch.uint8 else self.values
        for _ in range(self.budget.steps):
            y = values[torch.randint(len(values), (self.budget.batch,), device=values.device)]
            sigma = (torch.randn(len(y), device=y.device) * self.budget.p_std + self.budget.p_mean).exp()
            wide = sigma.view(-1, *[1] * (y.ndim - 1))
            noisy, total = y + torch.randn_like(y) * wide, wide**2 + s**2
            target = (y - noisy * s**2 / total) * total.sqrt() / (wide * s)
            yield Batch(noisy / total.sqrt(), sigma.log() / 4, target, {})

    def train(self, given: Iterator[Batch] | None = None) -> Denoiser:
        """The average after the budget's steps."""
        model = deepcopy(self.denoiser).to(self.values.device).train()
        average = deepcopy(model).requires_grad_(False)
        optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), foreach=False, fused=False)
        for step, batch in enumerate(given or self.drawn()):
            for group in optimizer.param_groups:
                group["lr"] = self.budget.rate(step)
            optimizer.zero_grad()
            loss = (model.raw(batch.x, batch.c_noise, {}) - batch.target).square().mean()
            loss.backward()
            optimizer.step()
            share = 1 - self.budget.ema_decay(step)
            with torch.no_grad():
                for ours, theirs in zip(average.parameters(), model.parameters()):
                    ours.copy_(ours.lerp(theirs, share))
        return average


def seeds(stream: str, index: int) -> int:
    return index


def ours(denoiser: Denoiser, held: Held, budget: Budget) -> Denoiser:
    return train(denoiser, held, budget, seeds)


def difference(denoiser: Denoiser, held: Held, budget: Budget) -> float:
    """The largest difference of a weight between both sides' averages, over the largest change of any."""
    plain = Plain(denoiser, held.values, budget).train(batches(held, budget, denoiser.sigma_data, seeds))
    start = deepcopy(denoiser).to(held.device)
    pairs = list(zip(ours(denoiser, held, budget).parameters(), plain.parameters(), start.parameters()))
    moved = max(float((b - c.detach()).abs().max()) for _, b, c in pairs)
    return max(float((a.detach() - b).abs().max()) for a, b, _ in pairs) / moved


def compiled_rate(denoiser: Denoiser, held: Held, budget: Budget) -> list[float]:
    """On a GPU: seconds of CHUNK_STEPS steps each, without the first, in which kernels are compiled."""
    times = list[float]()

    def note(steps: int, loss: float) -> None:
        wait()
        times.append(time.perf_counter())

    train(denoiser, held, budget, seeds, Watch(progress=note))
    return [after - before for before, after in zip(times, times[1:])]


def operations(denoiser: Denoiser, held: Held, budget: Budget) -> int:
    """Floating-point operations of all products of a step: as torch counts them in the plain loop."""
    with FlopCounterMode(display=False) as counter:
        Plain(denoiser, held.values, replace(budget, steps=1)).train()
    return int(counter.get_total_flops())


def measure(table: Table, preset: str, batch: int | None, threads: int) -> None:
    params = load(HOME / f"presets/{preset}.yaml", root=HOME)
    device = machine.device_of(params)
    shape, on_cpu = SHAPES[preset], device.type == "cpu"
    torch.manual_seed(0)
    batch = batch or (8 if on_cpu and preset == "cifar10-small" else params.train.batch)
    section = params.train.model_copy(update={"steps": CHUNK_STEPS, "batch": batch, "images": None})
    budget = compute.budget(section, params)
    denoiser = compute.fresh_denoiser(params, shape, seed=0)
    if on_cpu:
        torch.set_num_threads(threads)
        denoiser.arithmetic = EXACT
    else:
        machine.fix(params)
    points = torch.randn(1000, *shape, device=device)
    held = Held(points if shape == (2,) else ((points.clamp(-1, 1) + 1) * 127.5).to(torch.uint8))
    began = time.perf_counter()
    Plain(denoiser, held.values, replace(budget, steps=1)).train()
    step = time.perf_counter() - began
    few = replace(budget, steps=3 if step > 0.1 else 20)
    apart = difference(Denoiser(denoiser.network, denoiser.sigma_data), held, few)
    began = time.perf_counter()
    Plain(denoiser, held.values, few).train()
    step = (time.perf_counter() - began) / few.steps
    steps = max(2, min(20 * CHUNK_STEPS, round(SECONDS / step)))
    if not on_cpu:
        steps = CHUNK_STEPS
    budget = replace(budget, steps=steps)
    plain = Plain(denoiser, held.values, budget)
    if on_cpu:
        a, b = torch.randn(2, SIZE, SIZE)
        sides = {
            "ours": lambda: ours(denoiser, held, budget),
            "plain": plain.train,
            "products": lambda: [a @ b for _ in range(10)],
        }
        seconds = in_turn(sides, 7, 30)
        products = [each / 10 for each in seconds.pop("products")]
    else:
        mine = compiled_rate(denoiser, held, replace(budget, steps=12 * CHUNK_STEPS))
        seconds = {"ours": mine, "plain": in_turn({"plain": plain.train}, len(mine))["plain"]}
    seconds = {name: [each / steps for each in times] for name, times in seconds.items()}
    ratio, share = TARGETS.get(preset, (None, None))
    more = {"batch": batch, "steps": steps, "weights_apart": float(f"{apart:.1g}")}
    table.compare(f"{preset}: a step against the plain loop", seconds, ratio, **more)
    if on_cpu:
        work, rates = operations(denoiser, held, budget), [2 * SIZE**3 / each for each in products]
        found = statistics.median(work / rate / each for rate, each in zip(rates, seconds["ours"]))
        detail = f"{work / 1e6:.0f} M operations a step, {statistics.median(rates) / 1e9:.0f} G a second in products"
        table.say(f"{preset}: share of the bound", f"{found:.0%}", detail, found, share)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    parser.add_argument("--batch", type=int)
    given = parser.parse_args()
    table = Table("training")
    for preset in given.preset:
        measure(table, preset, given.batch, given.threads)
    table.write(given.out)


if __name__ == "__main__":
    main()

"""Training: images a second of the program's own loop beside a plain eager one of the same network, side by side.

    python benchmarks/training_speed.py [--preset cifar10-small] [--seconds 10]

The plain loop is what one writes first: autocast as the preset says, Adam, an average kept tensor by tensor, float32
images on the device. Random images stand for real ones. Says which device gave the figures.
"""

import argparse
import time
from copy import deepcopy
from pathlib import Path

import torch

from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoiser, log_normal, regression
from models.diffusion.examples import Held
from models.diffusion.training import Watch, train
from pipeline.experiment import machine
from pipeline.experiment.params import load
from pipeline.generation import compute


def plain(denoiser: Denoiser, images: torch.Tensor, budget: Budget, seconds: float) -> float:
    model = deepcopy(denoiser).to(images.device).train()
    average = deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=budget.learning_rate)
    generator = torch.Generator(images.device)
    values = images.float() / 127.5 - 1

    def step() -> None:
        y = values[torch.randint(len(values), (budget.batch,), device=images.device)]
        sigma = log_normal(generator, (budget.batch,), budget.p_mean, budget.p_std)
        x, c_noise, target = regression(y, torch.randn_like(y), sigma, denoiser.sigma_data)
        with denoiser.arithmetic.on(images.device):
            loss = (model.network(x, c_noise).float() - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(average.parameters(), model.parameters()):
                ours.lerp_(theirs, 0.001)

    for _ in range(3):
        step()
    _wait(images.device)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
        _wait(images.device)
    return steps * budget.batch / (time.perf_counter() - began)


def ours(denoiser: Denoiser, images: torch.Tensor, budget: Budget, seconds: float) -> tuple[float, float]:
    """Images a second, and the seconds before the first 64 steps are done, in which kernels are compiled."""
    began, times = time.perf_counter(), list[float]()

    def told(steps: int, loss: float) -> None:
        times.append(time.perf_counter())
        if times[-1] - times[0] > seconds:
            raise TimeoutError

    try:
        train(denoiser, Held(images, flip=True), budget, lambda stream, index: index, Watch(progress=told))
    except TimeoutError:
        return (len(times) - 1) * 64 * budget.batch / (times[-1] - times[0]), times[0] - began
    raise SystemExit("train.steps of the preset are too few to measure")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="cifar10-small")
    parser.add_argument("--shape", type=int, nargs=3, default=(3, 32, 32))
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    params = load(Path(f"presets/{given.preset}.yaml"))
    device = machine.device_of(params)
    machine.fix(params)
    budget = compute.budget(
        params.train.model_copy(update={"steps": 10**6} | ({"batch": given.batch} if given.batch else {})), params
    )
    denoiser = compute.fresh_denoiser(params, tuple(given.shape), seed=0)
    images = torch.randint(0, 256, (4096, *given.shape), dtype=torch.uint8, device=device)
    rate, start = ours(denoiser, images, budget, given.seconds)
    eager = plain(denoiser, images, budget, given.seconds)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, {params.engine.precision}: plain {eager:.0f} images/s, ours {rate:.0f} images/s: {rate / eager:.2f} times")
    print(f"(ours needs {start:.0f} s before it is that fast)")


if __name__ == "__main__":
    main()

"""Build, save and load models; draw samples."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.diffusion import world
from models.diffusion.arithmetic import Arithmetic
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoise, Denoiser, labelled
from models.diffusion.latents import latents
from pipeline.data.noise import training_noise
from pipeline.experiment.budgets import PowerAverage, Training
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.experiment.kinds import NETWORKS, SAMPLERS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.experiment.seeds import derive
from pipeline.generation.classes import Mix
from pipeline.storage.files import write_bytes
from pipeline.storage.weights import load_weights, weights


def fresh_denoiser(params: Params, shape: tuple[int, ...], seed: int, classes: int = 0) -> Denoiser:
    """An untrained denoiser for samples of a shape, told one of `classes` if any; a seed gives the same weights."""
    kind, told = kind_of(params.network), (classes,) if classes else ()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = NETWORKS[kind](shape, params.network, *told)
        except ValueError as error:  # it does not fit the samples
            raise BadInput(in_a_line(error)) from None
    if not isinstance(network, nn.Module):
        raise BadInput(f"network.kind {kind} gives {type(network).__name__} instead of a torch module")
    return Denoiser(network, training_noise(params).sigma_data, Arithmetic(params.engine.precision, params.engine.compile))


def save_denoiser(path: Path, denoiser: Denoiser) -> None:
    """Write the weights as safetensors, atomically."""
    write_bytes(path, weights(denoiser))


def load_denoiser(path: Path, params: Params, shape: tuple[int, ...], device: torch.device, classes: int = 0) -> Denoiser:
    """Read the weights into a denoiser of params.yaml's network, in evaluation mode."""
    denoiser = fresh_denoiser(params, shape, 0, classes)
    load_weights(path, denoiser)
    return denoiser.ready(device).eval()


def budget(training: Training, params: Params) -> Budget:
    """A training section of params.yaml in the terms of `models.diffusion.budget`."""
    levels = training_noise(params)
    return Budget(
        steps=training.steps,
        batch=training.batch,
        learning_rate=training.learning_rate,
        warmup=training.warmup or 0.0,
        cosine=training.schedule == "cosine",
        ema=training.ema if isinstance(training.ema, float | int) else 0.0,
        p_mean=levels.p_mean,
        p_std=levels.p_std,
        warmup_images=training.warmup_images,
        ema_images=training.ema_images,
        microbatch=training.microbatch,
        augmentation=training.augmentation or 0.0,
        decay_images=training.decay_images,
        ema_sigma_rel=training.ema.sigma_rel if isinstance(training.ema, PowerAverage) else None,
    )


def noise_levels(params: Params, shape: tuple[int, ...]) -> list[float]:
    """The noise level of every evaluation of the denoiser, as the sampler asks for them."""
    settings, asked, latent = params.sampler, list[float](), torch.zeros(1, *shape)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma.max()))
        return x

    SAMPLERS[kind_of(settings)](denoise, latent, settings, *[lambda step: latent][: settings.draws_noise])
    return asked


def draw(
    denoise: Denoise,
    params: Params,
    shape: tuple[int, ...],
    seed: int,
    start: int,
    stop: int,
    device: torch.device,
    labels: Mix | None = None,
) -> NDArray[np.float32]:
    """The samples start..stop-1 of the stream `seed`, float32 [stop - start, *shape]."""
    return np.concatenate(list(draw_blocks(denoise, params, shape, seed, start, stop, device, labels)))


def draw_blocks(
    denoise: Denoise,
    params: Params,
    shape: tuple[int, ...],
    seed: int,
    start: int,
    stop: int,
    device: torch.device,
    labels: Mix | None = None,
) -> Iterator[NDArray[np.float32]]:
    """The samples start..stop-1 of the stream `seed`, in parts; each of the class that `labels` gives it, if any.

    They are computed in whole blocks at fixed places, by turns where there are several processes, so sample i has the same bits
    whatever range it is asked for in. Raises FloatingPointError when a sample is not finite.
    """
    settings = params.sampler
    kind, size = kind_of(settings), settings.block
    sampler = torch.inference_mode()(SAMPLERS[kind])

    def block_at(place: int) -> Tensor:

        def noise(step: int) -> Tensor:
            return latents(derive(seed, "churn", step), place, place + size, shape).to(device)

        block = latents(seed, place, place + size, shape).to(device)
        told = None if labels is None else labels.one_hot(place, place + size).to(device)
        more = (noise,) if settings.draws_noise else ()
        drawn: Tensor = sampler(labelled(denoise, told), block, settings, *more)
        if drawn.shape != block.shape:
            raise ArithmeticError(f"sampler.kind {kind} gives {list(drawn.shape)} for latents {list(block.shape)}")
        return drawn

    places = range(start - start % size, stop, size)
    for place, drawn in _shared_out(places, block_at, torch.empty(size, *shape, device=device)):
        samples: NDArray[np.float32] = drawn.cpu().numpy()[max(start - place, 0) : stop - place]
        if not np.isfinite(samples).all():
            raise FloatingPointError(
                "a sample is not finite: the trajectories diverged (guidance, zeta, sigma_max or a learning rate is too large)"
            )
        yield samples


def _shared_out(places: range, block_at: Callable[[int], Tensor], nothing: Tensor) -> Iterator[tuple[int, Tensor]]:
    """All blocks in order, each computed by one of the processes; `nothing` is given by those that have none left."""
    for first in range(0, len(places), world.size()):
        turn = places[first : first + world.size()]
        mine = block_at(turn[world.rank()]) if world.rank() < len(turn) else nothing
        yield from zip(turn, world.gathered(mine))

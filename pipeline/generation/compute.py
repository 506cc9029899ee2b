"""How a model comes into being, to and from its file, and to samples."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.latents import latents
from models.diffusion.training import Budget
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import NETWORKS, SAMPLERS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Training, kind_of
from pipeline.storage.files import write_bytes
from pipeline.storage.weights import load_weights, weights


def fresh_denoiser(params: Params, shape: tuple[int, ...], seed: int) -> Denoiser:
    """An untrained denoiser for samples of the given shape; the same seed gives the same weights."""
    kind = kind_of(params.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[kind](shape, params.network)
    if not isinstance(network, nn.Module):
        raise BadInput(f"network.kind {kind} gives {type(network).__name__} instead of a torch module")
    return Denoiser(network, params.noise.sigma_data)


def save_denoiser(path: Path, denoiser: Denoiser) -> None:
    """Write the weights as safetensors, atomically."""
    write_bytes(path, weights(denoiser))


def load_denoiser(path: Path, params: Params, shape: tuple[int, ...], device: torch.device) -> Denoiser:
    """Read the weights into a denoiser of params.yaml's network, in evaluation mode."""
    denoiser = fresh_denoiser(params, shape, seed=0)
    load_weights(path, denoiser)
    return denoiser.to(device).eval()


def budget(training: Training, params: Params) -> Budget:
    """A training section of params.yaml in the terms of `models.diffusion.training`."""
    return Budget(
        steps=training.steps,
        batch=training.batch,
        learning_rate=training.learning_rate,
        warmup=training.warmup,
        cosine=training.schedule == "cosine",
        ema=training.ema,
        p_mean=params.noise.p_mean,
        p_std=params.noise.p_std,
    )


def draw(
    denoise: Denoise, params: Params, shape: tuple[int, ...], seed: int, start: int, stop: int, device: torch.device
) -> NDArray[np.float32]:
    """The samples start..stop-1 of the stream `seed`, float32 [stop - start, *shape].

    They are computed in whole blocks at fixed places, so sample i has the same bits whatever range it is asked for in.
    Raises FloatingPointError when a sample is not finite.
    """
    settings = params.sampler
    size, sampler = settings.block, torch.inference_mode()(SAMPLERS[kind_of(settings)])
    first, blocks = start - start % size, []
    for place in range(first, stop, size):
        block = latents(seed, place, place + size, shape).to(device)
        drawn = sampler(denoise, block, settings).cpu()
        if drawn.shape != block.shape:
            kind = kind_of(settings)
            raise ArithmeticError(f"sampler.kind {kind} gives {list(drawn.shape)} for latents {list(block.shape)}")
        blocks.append(drawn)
    samples: NDArray[np.float32] = torch.cat(blocks).numpy()[start - first : stop - first]
    if not np.isfinite(samples).all():
        raise FloatingPointError("a sample is not finite: the trajectories diverged (guidance, zeta or sigma_max is too large)")
    return samples

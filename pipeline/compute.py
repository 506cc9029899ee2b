"""How a model comes into being, to and from its file, and to samples."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from models.denoiser import Denoise, Denoiser
from models.networks import NETWORKS
from models.sampler import karras_sigmas, latents, sample_heun
from models.training import Budget
from pipeline.errors import RunFailed
from pipeline.files import write_bytes
from pipeline.params import Params
from pipeline.sections import Training


def fresh_denoiser(params: Params, shape: tuple[int, ...], seed: int) -> Denoiser:
    """An untrained denoiser for samples of the given shape; the same seed gives the same weights."""
    network = params.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = NETWORKS[network.kind](shape, network.width, network.depth, network.embedding)
    return Denoiser(net, params.noise.sigma_data)


def save_denoiser(path: Path, denoiser: Denoiser) -> None:
    """Write the weights as safetensors, atomically."""
    write_bytes(path, weights(denoiser))


def weights(denoiser: Denoiser) -> bytes:
    """The weights as the content of a safetensors file."""
    return save({name: value.detach().cpu().contiguous() for name, value in denoiser.state_dict().items()})


def load_denoiser(path: Path, params: Params, shape: tuple[int, ...], device: torch.device) -> Denoiser:
    """Read the weights into a denoiser of params.yaml's network, in evaluation mode."""
    denoiser = fresh_denoiser(params, shape, seed=0)
    load_weights(path, denoiser)
    return denoiser.to(device).eval()


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a safetensors file, which cannot hold code, into a module. Raises RunFailed for a damaged or unfitting one."""
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise RunFailed(f"{path} is no valid weights file: {' '.join(str(error).split())}") from None


def budget(training: Training, params: Params) -> Budget:
    """A training section of params.yaml in the terms of `models.training`."""
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
    s = params.sampler
    sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
    first, blocks = start - start % s.block, []
    for place in range(first, stop, s.block):
        block = latents(seed, place, place + s.block, shape).to(device)
        blocks.append(sample_heun(denoise, block, sigmas).cpu())
    samples: NDArray[np.float32] = torch.cat(blocks).numpy()[start - first : stop - first]
    if not np.isfinite(samples).all():
        raise FloatingPointError("a sample is not finite: the trajectories diverged (guidance, zeta or sigma_max is too large)")
    return samples

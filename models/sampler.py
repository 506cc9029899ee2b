"""EDM's deterministic sampler, and latents that depend on nothing but the sample's index."""

import numpy as np
import torch
from torch import Tensor

from models.denoiser import Denoise


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """Noise levels t_0 = sigma_max > ... > t_{N-1} = sigma_min, t_N = 0, as float64 [steps + 1] (EDM Eq. 5)."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    hi, lo = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return torch.cat([(hi + ramp * (lo - hi)) ** rho, torch.zeros(1, dtype=torch.float64)])


@torch.inference_mode()
def sample_heun(denoise: Denoise, latents: Tensor, sigmas: Tensor) -> Tensor:
    """Heun's second-order method on the probability-flow ODE (EDM Algorithm 1); 2 N - 1 evaluations for N steps.

    latents are unit Gaussian [B, ...]; sigmas as from `karras_sigmas`. The state is kept in the latents' own precision.
    """
    levels = sigmas.to(latents)
    x = latents * levels[0]
    for i, (t, t_next) in enumerate(zip(levels, levels[1:])):
        d = (x - denoise(x, t)) / t
        x_euler = x + (t_next - t) * d
        if i + 2 < len(levels):
            d_next = (x_euler - denoise(x_euler, t_next)) / t_next
            x = x + (t_next - t) * (d + d_next) / 2
        else:
            x = x_euler
    return x


def latents(seed: int, start: int, stop: int, shape: tuple[int, ...]) -> Tensor:
    """Unit Gaussian latents of the samples start..stop-1, float32 [stop - start, *shape].

    A counter-based generator (Philox) is advanced to each sample's own place, so sample i is the same whatever block, batch
    or total it is drawn in. The normals are quantiles of 53-bit uniforms, one draw each.
    """
    per_sample = -(-int(np.prod(shape)) // _WORDS) * _WORDS
    bits = np.random.Philox(key=seed)
    bits.advance(start * (per_sample // _WORDS))
    raw = bits.random_raw((stop - start) * per_sample).reshape(stop - start, per_sample)[:, : int(np.prod(shape))]
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return torch.special.ndtri(torch.from_numpy(uniform)).float().reshape(stop - start, *shape)


_WORDS = 4
"""64-bit words that one step of Philox's counter gives."""

"""EDM's noise levels, and a step from one to the next."""

import torch
from torch import Tensor

from models.diffusion.denoiser import Denoise


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """Noise levels t_0 = sigma_max > ... > t_{N-1} = sigma_min, t_N = 0, as float64 [steps + 1] (EDM Eq. 5)."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    hi, lo = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return torch.cat([(hi + ramp * (lo - hi)) ** rho, torch.zeros(1, dtype=torch.float64)])


def heun_step(denoise: Denoise, x: Tensor, t: Tensor, t_next: Tensor, last: bool) -> Tensor:
    """x [B, ...] at level t to level t_next by Heun's method; the last step, to 0, by Euler's (EDM Algorithm 1)."""
    d = (x - denoise(x, t)) / t
    x_euler = x + (t_next - t) * d
    if last:
        return x_euler
    d_next = (x_euler - denoise(x_euler, t_next)) / t_next
    return x + (t_next - t) * (d + d_next) / 2

"""Ways to combine denoisers at sampling time."""

from copy import deepcopy

import torch
from torch import Tensor

from models.diffusion.denoiser import Denoise, Denoiser


def sims(base: Denoise, auxiliary: Denoise, w: float) -> Denoise:
    """Negative guidance away from what synthetic data teaches: D = (1 + w) D_r - w D_s (SIMS, arXiv 2408.16333).

    `w = 0` is the base itself: the auxiliary is never evaluated and the samples are bit-identical. With a weaker guide in the
    auxiliary's place it is autoguidance, with w = g - 1 (arXiv 2406.02507).
    """
    if w == 0:
        return base

    def denoise(x: Tensor, sigma: Tensor, *labels: Tensor) -> Tensor:
        return (1 + w) * base(x, sigma, *labels) - w * auxiliary(x, sigma, *labels)

    return denoise


def merged(base: Denoiser, auxiliary: Denoiser, w: float) -> Denoiser:
    """One network away from what synthetic data teaches: theta = (1 + w) theta_r - w theta_s (Neon, arXiv 2510.03597).

    It costs no more evaluations than the base; `w = 0` is the base itself.
    """
    if w == 0:
        return base
    model = deepcopy(base)
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), auxiliary.parameters()):
            ours.mul_(1 + w).sub_(theirs, alpha=w)
    return model


def scaled(denoise: Denoise, zeta: float) -> Denoise:
    """The score multiplied by zeta, D' = x + zeta (D - x): zeta > 1 seeks modes, as cherry-picking users do.

    `zeta = 1` is the denoiser itself.
    """
    if zeta == 1:
        return denoise

    def biased(x: Tensor, sigma: Tensor, *labels: Tensor) -> Tensor:
        return x + zeta * (denoise(x, sigma, *labels) - x)

    return biased

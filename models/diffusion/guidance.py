"""Ways to combine denoisers at sampling time."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from models.diffusion.arithmetic import EXACT
from models.diffusion.denoiser import Denoise, Denoiser, over


def sims(base: Denoise, auxiliary: Denoise, w: float, interval: Sequence[float] | None = None) -> Denoise:
    """Negative guidance away from what synthetic data teaches: D = (1 + w) D_r - w D_s (SIMS, arXiv 2408.16333).

    `w = 0` is the base itself: the auxiliary is never evaluated and the samples are bit-identical. With a weaker guide in the
    auxiliary's place it is autoguidance, with w = g - 1 (arXiv 2406.02507). Outside an interval of noise levels, whose ends
    belong to it, the base is alone, and the auxiliary is not evaluated (arXiv 2404.07724).
    """
    if w == 0:
        return base

    both = _together(base, auxiliary)

    def denoise(x: Tensor, sigma: Tensor, *labels: Tensor) -> Tensor:
        guided = None if interval is None else within(sigma, interval)
        if guided is not None and not guided.any():
            return base(x, sigma, *labels)
        d_r, d_s = both(x, sigma, *labels)
        steered = (1 + w) * d_r - w * d_s
        return steered if guided is None or guided.all() else torch.where(over(guided, x), steered, d_r)

    return denoise


def _together(first: Denoise, second: Denoise) -> Callable[..., tuple[Tensor, Tensor]]:
    """Two denoisers of the same input, to the same bits: what no weight has a part in is computed once."""
    if not (isinstance(first, Denoiser) and isinstance(second, Denoiser) and first.sigma_data == second.sigma_data):
        return lambda *given: (first(*given), second(*given))
    network: Any = first.network
    alike = getattr(network, "embeds_like", None) if first.arithmetic == second.arithmetic == EXACT else None
    embed = network.embed if alike and alike(second.network) else None

    def both(x: Tensor, sigma: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor]:
        given = first.inputs(x, sigma, *labels)
        if embed is not None:
            given.conditions["embedded"] = embed(given.c_noise)
        return first.denoised(given), second.denoised(given)

    return both


def within(sigma: Tensor, interval: Sequence[float]) -> Tensor:
    """Which noise levels lie between the interval's ends, or on one: booleans of sigma's shape."""
    return (sigma >= interval[0]) & (sigma <= interval[1])


def merged(base: Denoiser, auxiliary: Denoiser, w: float) -> Denoiser:
    """One network away from what synthetic data teaches: theta = theta_r - w (theta_s - theta_r) (Neon, arXiv 2510.03597).

    It costs no more evaluations than the base; `w = 0` is the base itself. Parameters alone are merged, in their own float32:
    buffers are the base's.
    """
    if w == 0:
        return base
    model = deepcopy(base)
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), auxiliary.parameters()):
            ours.sub_((theirs - ours).mul_(w))
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

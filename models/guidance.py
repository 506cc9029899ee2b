"""Ways to combine denoisers at sampling time."""

from torch import Tensor

from models.denoiser import Denoise


def sims(base: Denoise, auxiliary: Denoise, w: float) -> Denoise:
    """Negative guidance away from what synthetic data teaches: D = (1 + w) D_r - w D_s (SIMS, arXiv 2408.16333).

    `w = 0` is the base itself: the auxiliary is never evaluated and the samples are bit-identical.
    """
    if w == 0:
        return base

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return (1 + w) * base(x, sigma) - w * auxiliary(x, sigma)

    return denoise


def scaled(denoise: Denoise, zeta: float) -> Denoise:
    """The score multiplied by zeta, D' = x + zeta (D - x): zeta > 1 seeks modes, as cherry-picking users do.

    `zeta = 1` is the denoiser itself.
    """
    if zeta == 1:
        return denoise

    def biased(x: Tensor, sigma: Tensor) -> Tensor:
        return x + zeta * (denoise(x, sigma) - x)

    return biased

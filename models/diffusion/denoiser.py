"""The denoiser D(x; sigma) of EDM (Karras et al. 2022, arXiv 2206.00364), around any network F(x, c_noise)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.diffusion.arithmetic import EXACT, Arithmetic

Conditions = dict[str, Tensor]
"""What a network takes beside input and noise level: `class_labels` [B, K] one-hot, `augment_labels` [B, 9].

And `embedded` [B, E], where its embedding of the noise level is known already.
"""
Denoise = Callable[..., Tensor]
"""(x [B, ...], sigma [] or [B], class_labels [B, K] where the network takes any) -> x0 [B, ...]: what guidance works on.

Samplers know no labels: theirs are bound before (`labelled`).
"""


class Preconditioning(NamedTuple):
    """EDM Table 1, column "Ours": the four scalings at noise level sigma, each of sigma's shape."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def preconditioning(sigma: Tensor, sigma_data: float) -> Preconditioning:
    """The scalings that keep network inputs and targets at unit variance (EDM Table 1)."""
    total = sigma**2 + sigma_data**2
    return Preconditioning(
        c_skip=sigma_data**2 / total,
        c_out=sigma * sigma_data * total.rsqrt(),
        c_in=total.rsqrt(),
        c_noise=sigma.log() / 4,
    )


def over(scale: Tensor, x: Tensor) -> Tensor:
    """View a per-sample scale [B] (or [1]) so that it broadcasts over x [B, ...]."""
    return scale.view(-1, *[1] * (x.ndim - 1))


class Inputs(NamedTuple):
    """Of one evaluation: c_skip x [B, ...], c_out [B, 1, ...], and the network's input c_in x, c_noise [B] and conditions."""

    skipped: Tensor
    c_out: Tensor
    x: Tensor
    c_noise: Tensor
    conditions: Conditions


class Denoiser(nn.Module):
    """D(x; sigma) = c_skip x + c_out F(c_in x, c_noise) (EDM Eq. 7), with the network F in the given arithmetic."""

    def __init__(self, network: nn.Module, sigma_data: float, arithmetic: Arithmetic = EXACT) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data
        self.arithmetic = arithmetic

    def raw(self, x: Tensor, c_noise: Tensor, conditions: Conditions) -> Tensor:
        """F(x [B, ...], c_noise [B]) as float32, with the conditions that the network takes. Raises ArithmeticError.

        A network that gives another shape than x's is refused: torch would make some of them fit.
        """
        with self.arithmetic.on(x.device):
            output: Tensor = self.network(x, c_noise, **conditions)
        if output.shape != x.shape:
            given, wanted = list(output.shape), list(x.shape)
            raise ArithmeticError(f"the network gives {given} for x of {wanted}: its output must have the shape of x")
        return output.float()

    def forward(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """x [B, ...], sigma a scalar or [B], labels [B, K] one-hot -> the denoised x0, of x's shape."""
        return self.denoised(self.inputs(x, sigma, class_labels))

    def inputs(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None) -> "Inputs":
        """What an evaluation needs and no weight has a part in."""
        c = preconditioning(sigma.reshape(-1).expand(len(x)), self.sigma_data)
        conditions = {} if class_labels is None else {"class_labels": class_labels}
        return Inputs(over(c.c_skip, x) * x, over(c.c_out, x), over(c.c_in, x) * x, c.c_noise, conditions)

    def denoised(self, given: "Inputs") -> Tensor:
        """The denoised x0 [B, ...]."""
        return given.skipped + given.c_out * self.raw(given.x, given.c_noise, given.conditions)

    def ready(self, device: torch.device) -> "Denoiser":
        """The same, on a device and laid out to be evaluated often; compiled where its arithmetic says so."""
        self.to(device)
        if device.type == "cuda":
            self.to(memory_format=torch.channels_last)
        if self.arithmetic.compile:
            self.network.compile()
        return self


def labelled(denoise: Denoise, class_labels: Tensor | None) -> Denoise:
    """A denoiser with the labels [B, K] of a batch; the denoiser itself where there are none."""
    return denoise if class_labels is None else lambda x, sigma: denoise(x, sigma, class_labels)


def regression(y: Tensor, noise: Tensor, sigma: Tensor, sigma_data: float) -> tuple[Tensor, Tensor, Tensor]:
    """Training pairs of the network for clean y [B, ...], unit noise [B, ...] and sigma [B].

    With EDM's weight lambda = 1/c_out^2 the denoising loss lambda |D(y + n) - y|^2 is exactly |F(input, c_noise) - target|^2
    (EDM Eq. 8). Returns (input [B, ...], c_noise [B], target [B, ...]).
    """
    c = preconditioning(sigma, sigma_data)
    x = y + over(sigma, y) * noise
    return over(c.c_in, x) * x, c.c_noise, (y - over(c.c_skip, x) * x) / over(c.c_out, x)


def log_normal(generator: torch.Generator, shape: tuple[int, ...], p_mean: float, p_std: float) -> Tensor:
    """Training noise levels, ln sigma ~ N(P_mean, P_std^2) (EDM Table 1)."""
    return (torch.randn(shape, generator=generator, device=generator.device) * p_std + p_mean).exp()

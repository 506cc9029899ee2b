"""Guidance evaluates two networks at one input: what they share is computed once, and no bit of a sample shows it."""

import pytest
import torch
from torch import Tensor, nn

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.guidance import sims
from models.networks import mlp, residual_mlp

MLP = mlp.Settings(width=32, depth=2, embedding=8)
OTHER = mlp.Settings(width=16, depth=1, embedding=4)
RESIDUAL = residual_mlp.Settings(width=32, depth=1, embedding=8)


def denoiser(settings: mlp.Settings | residual_mlp.Settings, seed: int, sigma_data: float = 0.7) -> Denoiser:
    torch.manual_seed(seed)
    network = mlp.mlp if isinstance(settings, mlp.Settings) else residual_mlp.residual_mlp
    model = Denoiser(network((1, 2, 2), settings), sigma_data)
    for weights in model.parameters():
        nn.init.normal_(weights, std=0.3)
    return model


def apart(denoise: Denoise) -> Denoise:
    """The same function, of which nothing else is known."""
    return lambda x, sigma: denoise(x, sigma)


PAIRS = {
    "mlp": (denoiser(MLP, 0), denoiser(MLP, 1)),
    "residual-mlp": (denoiser(RESIDUAL, 0), denoiser(RESIDUAL, 1)),
    "a guide with another embedding": (denoiser(MLP, 0), denoiser(OTHER, 1)),
    "two scales of data": (denoiser(MLP, 0), denoiser(MLP, 1, sigma_data=0.5)),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("sigma", [torch.tensor(3.0), torch.linspace(0.1, 9, 500)], ids=["one level", "a level each"])
@torch.inference_mode()
def test_what_two_networks_share_changes_no_bit(pair: str, sigma: Tensor):
    base, other = PAIRS[pair]
    x = torch.randn(500, 1, 2, 2, generator=torch.Generator().manual_seed(2)) * 3
    assert torch.equal(sims(base, other, 0.85)(x, sigma), sims(apart(base), apart(other), 0.85)(x, sigma))

"""Exact answers: what the sampler must give for Gaussians, whose denoisers are known in closed form."""

import numpy as np
import pytest
import torch

from models.diffusion.guidance import scaled, sims
from models.diffusion.latents import latents
from models.diffusion.schedule import karras_sigmas
from models.samplers.heun import sample_heun

SIGMAS = karras_sigmas(256, 0.002, 80.0, 7.0)


def gaussian(mean: float, variance: float):
    """The exact denoiser of N(mean, variance)."""
    return lambda x, sigma: (variance * x + sigma**2 * mean) / (variance + sigma**2)


def draw(denoise, n: int = 20000):
    return sample_heun(denoise, latents(1, 0, n, (1,)).double(), SIGMAS).numpy()


def test_sims_gives_the_variance_law():
    out = draw(sims(gaussian(0, 1.0), gaussian(0, 1.3), 1.0))
    assert out.var() == pytest.approx(1.0**2 / 1.3, rel=0.03)


def test_sims_gives_the_mean_law():
    out = draw(sims(gaussian(0.5, 1.0), gaussian(0.9, 1.0), 1.5))
    assert out.mean() == pytest.approx(2.5 * 0.5 - 1.5 * 0.9, abs=0.05)


def test_a_scaled_score_gives_the_zeta_law():
    out = draw(scaled(gaussian(0, 1.0), 1.1))
    assert out.var() == pytest.approx(80.0**2 * (1 / (1 + 80.0**2)) ** 1.1, rel=0.03)


def test_no_guidance_is_the_base_to_the_bit():
    base = gaussian(0.3, 2.0)
    assert np.array_equal(draw(sims(base, gaussian(0, 1.0), 0.0), 100), draw(base, 100))


def test_a_latent_depends_on_nothing_but_its_index():
    assert torch.equal(latents(5, 0, 100, (3, 5))[40:60], latents(5, 40, 60, (3, 5)))


def test_two_mode_mixtures_follow_the_share_law():
    def mixture(share: float, spread: float = 0.2):
        """The exact denoiser of share N(1, spread^2) + (1 - share) N(-1, spread^2)."""

        def denoise(x, sigma):
            total = spread**2 + sigma**2
            logit = np.log(share / (1 - share)) + 2 * x / total
            weight = torch.sigmoid(logit)
            mean = (spread**2 * x + sigma**2 * torch.ones_like(x)) / total
            other = (spread**2 * x - sigma**2 * torch.ones_like(x)) / total
            return weight * mean + (1 - weight) * other

        return denoise

    out = draw(sims(mixture(0.5), mixture(0.6), 1.0))
    assert (out > 0).mean() == pytest.approx(2 * 0.5 - 0.6, abs=0.02)


def test_the_published_sampler_widens_a_unit_gaussian_by_some_per_cent():
    coarse = sample_heun(gaussian(0, 1.0), latents(1, 0, 20000, (1,)).double(), karras_sigmas(18, 0.002, 80.0, 7.0)).numpy()
    fine = draw(gaussian(0, 1.0))
    assert 1.04 < coarse.var() / fine.var() < 1.12

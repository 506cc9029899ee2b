"""Samplers against exact denoisers: orders, costs, and what noise does."""

import pytest
import torch
from torch import Tensor

from models.diffusion.latents import latents
from models.registry import SAMPLERS

LEVELS = {"sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0, "zeta": 1.0, "block": 100}


def exact(x: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of N(0, 1)."""
    return x / (1 + sigma**2)


def settings(kind: str, steps: int, **more: float):
    return SAMPLERS.entry(kind).settings.model_validate({"kind": kind, "steps": steps} | LEVELS | more)


@pytest.mark.parametrize(("kind", "more"), [("heun", {}), ("stochastic", {"s_churn": 5.0}), ("dpm++2m", {})])
def test_the_denoiser_is_evaluated_as_often_as_a_sampler_says(kind: str, more: dict[str, float]):
    calls = []

    def counted(x: Tensor, sigma: Tensor) -> Tensor:
        calls.append(float(sigma))
        return exact(x, sigma)

    given = settings(kind, 9, **more)
    noise = (lambda step: latents(step, 0, 4, (2,)),) if given.draws_noise else ()
    SAMPLERS[kind](counted, latents(0, 0, 4, (2,)), given, *noise)
    assert len(calls) == given.evaluations


def test_without_churn_the_stochastic_sampler_is_heun_to_the_bit():
    start = latents(0, 0, 50, (3,))
    churned = SAMPLERS["stochastic"](exact, start, settings("stochastic", 12, s_churn=0.0), lambda step: start)
    assert torch.equal(churned, SAMPLERS["heun"](exact, start, settings("heun", 12)))


def test_churn_changes_samples_and_keeps_their_distribution():
    start = latents(0, 0, 4000, (2,))
    given = settings("stochastic", 64, s_churn=30.0)
    drawn = SAMPLERS["stochastic"](exact, start, given, lambda step: latents(step + 1, 0, 4000, (2,)))
    assert float((drawn * start).mean()) < 0.9
    assert float(drawn.var()) == pytest.approx(1.0, abs=0.05)


def test_dpm_solver_converges_at_second_order_to_the_exact_solution():
    start = latents(0, 0, 200, (2,)).double()
    truth = start * 80.0 / (1 + 80.0**2) ** 0.5
    errors = [
        float((SAMPLERS["dpm++2m"](exact, start, settings("dpm++2m", steps)) - truth).abs().max()) for steps in (32, 64, 128)
    ]
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3
    assert errors[2] < 0.01

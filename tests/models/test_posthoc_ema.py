"""Power-function averages, and those that are made of them after training."""

import math

import pytest
import torch
from torch import Tensor, nn

from models.diffusion.averages import Average
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import Held
from models.diffusion.posthoc_ema import Snapshot, Snapshots, coefficients, reconstruct
from models.diffusion.power_function import KEPT, LONGEST, due, gamma_of, norm, overlap, power_decay, sigma_rel_of
from models.diffusion.training import Watch, train
from models.modules.mlp import MLP
from models.sizes.mlp import Settings
from pipeline.experiment.seeds import derive

STEPS, BATCH = 4096, 16


def trajectory() -> Tensor:
    """Weights [STEPS, 3] that drift, swing and tremble as those of a training do."""
    t = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)[1:]
    tremble = torch.randn(STEPS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.stack([t.log(), (12 * t).sin(), (1 - t) ** 3], dim=1) + 0.3 * tremble


def direct(weights: Tensor, sigma_rel: float, steps: int) -> Tensor:
    """The average of the first steps as its definition says: step i counts by the integral of the power function over it."""
    edges = (torch.arange(steps + 1, dtype=torch.float64) / steps) ** (gamma_of(sigma_rel) + 1)
    return (edges.diff()[:, None] * weights[:steps]).sum(0)


def kept(weights: Tensor, every: int) -> list[Snapshot]:
    """Snapshots of the two usual averages, computed step by step."""
    found = []
    for sigma_rel in KEPT:
        average = torch.zeros(3, dtype=torch.float64)
        for number, each in enumerate(weights, 1):
            average.lerp_(each, 1 - power_decay(gamma_of(sigma_rel), number))
            if number % every == 0:
                found.append(Snapshot(number * BATCH, sigma_rel, {"w": average.clone(), "n": torch.tensor(number)}))
    return found


@pytest.mark.parametrize("sigma_rel", [0.01, 0.05, 0.1, 0.2, LONGEST])
def test_the_exponent_of_a_length_gives_a_profile_of_that_standard_deviation(sigma_rel):
    gamma = gamma_of(sigma_rel)
    assert sigma_rel_of(gamma) == pytest.approx(sigma_rel, rel=1e-9)
    t = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = (gamma + 1) * t**gamma / 200_000
    mean = (density * t).sum()
    assert math.sqrt(float((density * (t - mean) ** 2).sum())) == pytest.approx(sigma_rel, rel=1e-4)


def test_the_lengths_of_the_paper_have_its_exponents():
    assert [gamma_of(length) for length in KEPT] == pytest.approx([16.97, 6.94], abs=0.01)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.29, math.nan])
def test_a_length_that_no_power_function_has_is_refused(sigma_rel):
    with pytest.raises(ValueError, match="is not allowed"):
        gamma_of(sigma_rel)


@pytest.mark.parametrize(("one", "other"), [((1.0, 7.0), (1.0, 17.0)), ((0.5, 7.0), (2.0, 17.0)), ((3.0, 2.0), (1.5, 5.0))])
def test_the_overlap_of_two_profiles_is_their_integral(one, other):
    t = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 100_000

    def profile(end: float, gamma: float) -> Tensor:
        return torch.where(t <= end, (gamma + 1) * t**gamma / end ** (gamma + 1), 0)

    def product(a: Tensor, b: Tensor) -> float:
        return float((a * b).sum()) / 100_000

    a, b = profile(*one), profile(*other)
    assert norm(*one) == pytest.approx(math.sqrt(product(a, a)), rel=1e-3)
    expected = product(a, b) / math.sqrt(product(a, a) * product(b, b))
    assert overlap(*one, *other) == overlap(*other, *one) == pytest.approx(expected, rel=1e-3)
    assert overlap(*one, *one) == pytest.approx(1)


def test_step_by_step_an_average_is_the_power_functions():
    weights = trajectory()
    for snapshot in kept(weights, STEPS):
        torch.testing.assert_close(snapshot.weights["w"], direct(weights, snapshot.sigma_rel, STEPS))


@pytest.mark.parametrize("sigma_rel", [0.03, 0.05, 0.07, 0.1, 0.15, 0.2])
@pytest.mark.parametrize("steps", [STEPS, STEPS // 2])
def test_an_average_of_any_length_and_time_is_made_of_the_two_that_were_kept(sigma_rel, steps):
    weights = trajectory()
    found = reconstruct(kept(weights, STEPS // 32), sigma_rel, steps * BATCH)
    expected = direct(weights, sigma_rel, steps)
    torch.testing.assert_close(found["w"].double(), expected, atol=0.01, rtol=0)
    assert int(found["n"]) == steps
    nearest = min(KEPT, key=lambda length: abs(length - sigma_rel))
    if sigma_rel not in KEPT:  # not by taking what lies nearest
        assert float((direct(weights, nearest, steps) - expected).abs().max()) > 0.02


def test_an_average_that_was_kept_is_given_back_as_it_was():
    snapshots = kept(trajectory(), STEPS // 8)
    last = snapshots[-1]
    torch.testing.assert_close(reconstruct(snapshots, last.sigma_rel)["w"], last.weights["w"].float(), atol=1e-6, rtol=1e-6)
    assert sum(coefficients([each[:2] for each in snapshots], last.images, 0.13)) == pytest.approx(1)


def test_without_early_snapshots_or_with_one_twice_the_refusal_says_so():
    snapshots = kept(trajectory(), STEPS)
    with pytest.raises(ValueError, match="no average was kept until 100 images"):
        reconstruct(snapshots, 0.1, 100)
    with pytest.raises(ValueError, match="must differ"):
        reconstruct([*snapshots, snapshots[0]], 0.1)


def seeds(stream: str, index: int) -> int:
    return derive(0, stream, index)


class Kept:
    def __init__(self, states=()) -> None:
        self.states = list(states)

    def load(self):
        return self.states[-1] if self.states else None

    def keep(self, state) -> None:
        self.states.append({name: value.clone() for name, value in state.items()})


def test_a_training_keeps_snapshots_from_which_its_own_average_of_another_length_follows_and_goes_on_with_them():
    torch.manual_seed(0)
    start, data = Denoiser(MLP((2,), Settings(width=8, depth=1, embedding=4)), 1.0), Held(torch.randn(64, 2))
    budget = Budget(256, 8, 1e-2, 0.0, False, 0.0, -1.2, 1.2, ema_sigma_rel=0.075)
    found, again = list[Snapshot](), list[Snapshot]()
    checkpoint = Kept()
    direct = train(start, data, budget, seeds, Watch(checkpoint, 512, snapshots=Snapshots(found.append, every=128)))
    assert sorted({each.images for each in found}) == list(range(128, 2049, 128)) == due(8, 256, 128)
    made = reconstruct(found, 0.075)
    for name, value in direct.state_dict().items():
        torch.testing.assert_close(made[name], value, atol=2e-3, rtol=0)
    resumed = Watch(Kept(checkpoint.states[:1]), 512, snapshots=Snapshots(again.append, every=128))
    train(start, data, budget, seeds, resumed)
    late = [each for each in found if each.images > 512]
    assert [each[:2] for each in again] == [each[:2] for each in late]
    assert all(torch.equal(a.weights[name], b.weights[name]) for a, b in zip(again, late) for name in a.weights)


def test_an_average_takes_over_running_statistics_and_shares_no_memory_with_what_it_gives():
    model = Denoiser(nn.BatchNorm1d(2), 1.0)
    average = Average(model, lambda step: 0.5)
    model.network.running_mean.fill_(3)
    average.take_buffers(model)
    given = average.denoiser()
    assert torch.equal(given.network.running_mean, model.network.running_mean)
    average.update([nn.Parameter(torch.full([4], 9.0))], 0)
    assert torch.equal(given.network.weight, torch.ones(2))
    assert torch.equal(average.denoiser().network.weight, torch.full([2], 5.0))


@pytest.mark.parametrize(("batch", "steps", "every"), [(8, 100, 32), (7, 100, 50), (16, 33, 5), (4, 10, 1000), (5, 20, 25)])
def test_the_times_that_are_foreseen_are_those_at_which_averages_are_kept(batch, steps, every):
    rule = Snapshots(print, every)
    assert due(batch, steps, every) == [(step + 1) * batch for step in range(steps) if rule.are_due(step, batch, steps)]

"""Spreads over seeds: tried on simulated seeds, heavy-tailed ones among them."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.analysis.intervals import fresh_medians, spread

Draw = Callable[[np.random.Generator, int], np.ndarray]
SEEDS: dict[str, Draw] = {
    "alike": lambda rng, n: rng.lognormal(0, 0.2, n),
    "over decades": lambda rng, n: rng.lognormal(0, 3, n),
    "without a mean": lambda rng, n: rng.pareto(1, n) + 1,
    "without a variance": lambda rng, n: np.abs(rng.standard_cauchy(n)),
    "a few that run away": lambda rng, n: np.where(rng.random(n) < 0.8, rng.lognormal(2.3, 0.2, n), rng.lognormal(6, 0.5, n)),
    "of both signs": lambda rng, n: rng.standard_t(2, n),
}


@pytest.mark.parametrize("n", [3, 5, 8, 10, 20])
@pytest.mark.parametrize("kind", SEEDS)
def test_fresh_medians_fall_into_what_is_called_95_percent(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    inside = 0
    for _ in range(500):
        low, high = fresh_medians(SEEDS[kind](rng, n))
        inside += low <= np.median(SEEDS[kind](rng, n)) <= high
    assert inside / 500 >= 0.9


def test_the_interval_is_no_wider_than_it_need_be_where_seeds_are_alike() -> None:
    rng = np.random.default_rng(0)
    widths = [np.subtract(*np.log(fresh_medians(rng.lognormal(0, 0.2, 5))[::-1])) for _ in range(500)]
    assert np.median(widths) < 7.5 * 0.2 * np.sqrt(np.pi / 5)  # Student's t with 4 degrees of freedom takes 5.6 of these


def test_a_single_far_seed_moves_the_mean_and_hardly_the_median() -> None:
    found = spread([10, 11, 9, 10, 500])
    assert found.mean == pytest.approx(108)
    assert found.median == 10
    assert found.geometric_mean == pytest.approx(np.exp(np.log([10, 11, 9, 10, 500]).mean()))
    assert (found.quarter, found.three_quarters) == (10, 11)
    assert found.fresh_low <= 9
    assert found.fresh_high >= 500


def test_one_seed_has_no_interval_and_a_negative_one_no_geometric_mean() -> None:
    alone, mixed = spread([3.0]), spread([-1.0, 2.0])
    assert np.isnan([alone.fresh_low, alone.fresh_high, mixed.geometric_mean]).all()
    assert mixed.fresh_low <= -1

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pipeline.metrics.sliced_wasserstein import DIRECTIONS, sliced_wasserstein


def test_on_a_line_it_is_the_wasserstein_distance_of_the_best_assignment():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 1)), rng.exponential(size=(60, 1))
    costs = np.square(a - b.T)
    assert sliced_wasserstein(a, b, 0) == pytest.approx(np.sqrt(costs[linear_sum_assignment(costs)].mean()), rel=1e-10)


def test_in_space_it_is_the_root_mean_square_over_directions_of_the_best_assignments():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(50, 3)), 2 * rng.normal(size=(50, 3)) + 1
    directions = np.random.Generator(np.random.Philox(key=5)).standard_normal((DIRECTIONS, 3))
    squares = []
    for direction in directions:
        unit = direction / np.sqrt(direction @ direction)
        costs = np.square((a @ unit)[:, None] - (b @ unit))
        squares.append(costs[linear_sum_assignment(costs)].mean())
    assert sliced_wasserstein(a, b, 5) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-10)


def test_between_round_gaussians_it_is_the_difference_of_their_deviations():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(200_000, 2)), 1.5 * rng.normal(size=(200_000, 2))
    assert sliced_wasserstein(a, b, 0) == pytest.approx(0.5, abs=0.01)


def test_it_is_zero_for_the_same_points_in_another_order_and_a_shift_of_one_direction_is_seen():
    points = np.random.default_rng(3).normal(size=(1000, 2))
    assert sliced_wasserstein(points, points[::-1], 0) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(points, points + np.array([3, 0]), 0) == pytest.approx(3 / np.sqrt(2), rel=0.2)


def test_it_has_a_random_stream_of_its_own_and_refuses_counts_that_differ():
    a, b = np.random.default_rng(4).normal(size=(2, 100, 2)) * [[[1, 1]], [[2, 1]]]
    assert sliced_wasserstein(a, b, 1) == sliced_wasserstein(a, b, 1) != sliced_wasserstein(a, b, 2)
    with pytest.raises(ValueError, match="100 samples cannot be paired with 99"):
        sliced_wasserstein(a, b[:99], 1)

import numpy as np
import pytest
import torch
from cleanfid.fid import kernel_distance
from torch_fidelity.metric_kid import kid_features_to_metric

from pipeline.metrics.kid import SUBSET, SUBSETS, kid, squared_mmd, subset_size


def two_sets(n: int, m: int, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return 1.2 * rng.normal(size=(n, size)) + 0.1, np.maximum(rng.normal(size=(m, size)), 0)


@pytest.mark.parametrize("size", [2, 64])
def test_the_kernel_distance_of_all_features_is_clean_fids(size):
    a, b = two_sets(400, 400, size)
    assert squared_mmd(a, b) == pytest.approx(kernel_distance(a, b, num_subsets=1), rel=1e-5)


def test_kid_is_clean_fids_where_a_subset_is_everything():
    a, b = two_sets(SUBSET, SUBSET)
    assert kid(a, b, 0) == pytest.approx(kernel_distance(a, b, max_subset_size=SUBSET, num_subsets=3), rel=1e-5)


def test_kid_is_the_mean_of_clean_fids_values_for_the_same_subsets():
    a, b = two_sets(800, 900)
    rng = np.random.Generator(np.random.Philox(key=7))
    values = []
    for _ in range(SUBSETS):
        x, y = a[rng.choice(800, SUBSET, replace=False)], b[rng.choice(900, SUBSET, replace=False)]
        values.append(kernel_distance(x, y, num_subsets=1, max_subset_size=SUBSET))
    assert kid(a, b, 7) == pytest.approx(np.mean(values), rel=1e-5)


def test_kid_is_torch_fidelitys():
    a, b = two_sets(300, 300)
    options = {"kid_subsets": 2, "kid_subset_size": 300, "verbose": False}
    theirs = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), **options)
    assert kid(a, b, 0) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-5)


def test_the_kernel_distance_of_different_counts_is_the_sum_over_all_pairs():
    a, b = two_sets(20, 30, 3)

    def mean_kernel(x: np.ndarray, y: np.ndarray, pairs: list[tuple[int, int]]) -> float:
        return float(np.mean([(x[i] @ y[j] / 3 + 1) ** 3 for i, j in pairs]))

    within = [mean_kernel(x, x, [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (a, b)]
    between = mean_kernel(a, b, [(i, j) for i in range(20) for j in range(30)])
    assert squared_mmd(a, b) == pytest.approx(sum(within) - 2 * between, rel=1e-10)


def test_kid_is_about_zero_for_two_draws_of_one_distribution():
    rng = np.random.default_rng(0)
    values = [kid(*rng.normal(size=(2, 600, 8)), seed) for seed in range(20)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(20)
    assert kid(rng.normal(size=(600, 8)), 1.5 * rng.normal(size=(600, 8)), 0) > 10 * np.std(values)


def test_kid_has_a_random_stream_of_its_own():
    a, b = two_sets(700, 600)
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    assert kid(a, b, 3) == kid(a, b, 3) != kid(a, b, 4)
    assert np.array_equal(np.random.get_state()[1], state)


def test_subsets_are_no_larger_than_the_smaller_set():
    assert subset_size(4000, 150) == 150
    assert subset_size(4000, 4000) == SUBSET

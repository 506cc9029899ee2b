import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import prc_features_to_metric

from pipeline.distance.neighbours import squared_distances
from pipeline.experiment.kinds import Section
from pipeline.judging.judged import Judged
from pipeline.metrics.memorisation import nearest_distance
from pipeline.metrics.prdc import metric, prdc


def two_sets(size: int, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    return rng.normal(size=(300, size)) + shift, 1.3 * rng.normal(size=(400, size))


@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize("k", [1, 5])
def test_precision_recall_density_and_coverage_are_prdcs(size, k):
    samples, reference = two_sets(size)
    theirs = compute_prdc(reference, samples, k)
    assert prdc(samples, reference, k) == pytest.approx(theirs, abs=1e-6)
    assert 0 < theirs["coverage"] < 1


def test_they_are_prdcs_for_the_float32_activations_of_a_rectifier_with_copies_among_them():
    samples, reference = (np.maximum(part, 0).astype(np.float32) for part in two_sets(64))
    samples[:100] = samples[100:200]
    theirs = compute_prdc(reference.astype(np.float64), samples.astype(np.float64), 5)
    assert prdc(samples, reference) == pytest.approx(theirs, abs=1e-6)


def test_precision_and_recall_are_torch_fidelitys():
    samples, reference = two_sets(16)
    theirs = prc_features_to_metric(torch.from_numpy(samples), torch.from_numpy(reference), prc_neighborhood=5, verbose=False)
    ours = prdc(samples, reference)
    assert (ours["precision"], ours["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)


def test_samples_on_half_of_the_reference_are_precise_but_do_not_cover_it():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 100
    judged = prdc(rng.normal(size=(500, 2)), np.concatenate([left, right]))
    assert judged["precision"] > 0.95
    assert judged["density"] == pytest.approx(1, abs=0.1)
    assert judged["recall"] == pytest.approx(0.5, abs=0.03)
    assert judged["coverage"] == pytest.approx(0.5, abs=0.03)


def test_samples_far_from_the_reference_have_none_of_the_four():
    samples, reference = two_sets(2, shift=1000)
    assert prdc(samples, reference) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_too_few_points_for_k_neighbours_are_refused():
    samples, reference = two_sets(2)
    with pytest.raises(ValueError, match="more than k = 5"):
        prdc(samples[:5], reference)


def test_squared_distances_are_exact_for_pixels():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (20, 64)).astype(np.uint8), rng.integers(0, 256, (30, 64)).astype(np.uint8)
    direct = np.square(a.astype(int)[:, None] - b.astype(int)).sum(axis=2)
    assert np.array_equal(squared_distances(a, b), direct)


def test_the_nearest_distance_of_points_on_a_line_is_the_gap():
    training = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert nearest_distance(np.array([[1.0, 0.0], [7.0, 4.0]]), training) == pytest.approx((1 + 5) / 2)
    assert nearest_distance(training[[1, 1, 0]], training) == 0


def test_a_reference_in_the_order_of_its_classes_is_looked_at_in_all_of_them():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(3000, 4)) + 100 * (np.arange(3000) // 300)[:, None]
    samples = rng.normal(size=(1000, 4)) + 100 * rng.integers(0, 10, 1000)[:, None]
    judged = Judged(samples, samples, reference, (np.zeros(4), np.eye(4)), None, None, None)
    found = metric(judged, Section())
    assert (found["n_prdc"], found["n_prdc_reference"]) == (1000, 1000)
    assert min(found["precision"], found["recall"], found["coverage"]) > 0.8

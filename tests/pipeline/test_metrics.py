import numpy as np
import pytest
from cleanfid.fid import frechet_distance

from pipeline.datasets import DATASETS
from pipeline.metrics import frechet, modes_lost, moments
from pipeline.sections import GaussianData, MixtureData


def test_the_frechet_distance_of_commuting_gaussians_has_its_closed_form():
    a, b = np.diag([1.0, 4.0]), np.diag([9.0, 1.0])
    assert frechet(np.zeros(2), a, np.array([1.0, 0.0]), b) == pytest.approx(1 + (1 - 3) ** 2 + (2 - 1) ** 2)


def test_the_frechet_distance_is_clean_fids():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(500, 64)), rng.normal(size=(400, 64)) @ rng.normal(size=(64, 64)) + 1
    assert frechet(*moments(a), *moments(b)) == pytest.approx(frechet_distance(*moments(a), *moments(b)), rel=1e-6)


def test_the_frechet_distance_is_exact_for_features_that_are_always_zero():
    a = np.diag([1.0, 4.0, 0.0])
    assert frechet(np.zeros(3), a, np.zeros(3), 4 * a) == pytest.approx(1 + 4)


def test_draws_of_a_gaussian_have_its_moments_and_agree_in_their_prefix():
    data = GaussianData(kind="gaussian", n_real=2, mean=[1.0, -2.0], covariance=[[2.0, 1.0], [1.0, 2.0]])
    truth = DATASETS["gaussian"](data).truth
    many = truth.draw(5, 200_000)
    mean, covariance = moments(many)
    assert frechet(mean, covariance, truth.mean, truth.covariance) < 1e-3
    assert np.array_equal(truth.draw(5, 100), many[:100])


def test_a_mixture_without_some_modes_counts_them_as_lost():
    data = MixtureData(kind="gaussian-mixture", n_real=2, modes=5, spacing=1.0, spread=0.05)
    truth = DATASETS["gaussian-mixture"](data).truth
    samples = truth.draw(3, 5000)
    assert modes_lost(truth, samples) == 0
    assert modes_lost(truth, samples[samples[:, 0] < 1.5]) == 5

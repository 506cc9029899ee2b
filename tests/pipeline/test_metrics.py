from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cleanfid.fid import fid_from_feats, frechet_distance
from prdc import compute_prdc
from scipy.stats import entropy
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from pipeline.data.truth import Truth
from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.kinds import DATASETS, METRICS, Section
from pipeline.experiment.params import Params, load, parse
from pipeline.experiment.sections import DataSettings
from pipeline.experiment.seeds import derive
from pipeline.judging.evaluation import evaluate_samples, fid
from pipeline.judging.judged import Judged
from pipeline.making.shared import make_shared
from pipeline.metrics.class_entropy import class_entropy
from pipeline.metrics.fid_infinity import fid_infinity
from pipeline.metrics.memorisation import memorisation
from pipeline.metrics.modes import mode_metrics
from pipeline.storage.files import read_json
from pipeline.storage.layout import Layout

GAUSSIAN = DATASETS.entry("gaussian").settings(kind="gaussian", n_real=2, mean=[1.0, -2.0], covariance=[[2.0, 1.0], [1.0, 2.0]])
MIXTURE = DATASETS.entry("gaussian-mixture").settings(kind="gaussian-mixture", n_real=2, modes=2, spacing=4.0, spread=0.5)
PRESETS = Path(__file__).resolve().parents[2] / "presets"


def experiment(preset: str, **evaluation: object) -> Params:
    raw = load(PRESETS / f"{preset}.yaml").model_dump(exclude_unset=True)
    raw["evaluation"] |= evaluation
    return parse(raw)


def judged_points(samples: np.ndarray) -> dict[str, Any]:
    """The metrics of points against GAUSSIAN."""
    return evaluate_samples(experiment("smoke").model_copy(update={"data": GAUSSIAN}), samples)


def truth_of(data: DataSettings) -> Truth:
    return DATASETS[data.kind](data).truth


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
    truth = truth_of(GAUSSIAN)
    many = truth.draw(5, 200_000)
    mean, covariance = moments(many)
    assert frechet(mean, covariance, truth.mean, truth.covariance) < 1e-3
    assert np.array_equal(truth.draw(5, 100), many[:100])


def test_a_mixture_without_some_modes_counts_them_as_lost():
    truth = truth_of(MIXTURE.model_copy(update={"modes": 5, "spacing": 1.0, "spread": 0.05}))
    samples = truth.draw(3, 5000)
    assert mode_metrics(truth, samples)["modes_lost"] == 0
    assert mode_metrics(truth, samples[samples[:, 0] < 1.5])["modes_lost"] == 5


def test_the_shares_and_spreads_of_modes_are_those_they_were_drawn_with():
    truth = truth_of(MIXTURE)
    shares, spreads = [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]
    covariances = np.array([np.eye(2) * spread**2 for spread in spreads])
    judged = mode_metrics(truth, Truth(np.array(shares), truth.means, covariances).draw(1, 40_000))
    assert judged["mode_shares"] == pytest.approx(shares, abs=0.01)
    assert judged["mode_spreads"] == pytest.approx(spreads, rel=0.02)
    assert sum(judged["mode_shares"]) == pytest.approx(1)


def test_a_mode_without_points_has_no_share_and_no_spread():
    truth = truth_of(MIXTURE)
    judged = mode_metrics(truth, truth.means[[0, 0, 3]] + np.array([[0.3, 0.0], [-0.3, 0.0], [0.0, 0.0]]))
    assert judged["mode_shares"] == pytest.approx([2 / 3, 0, 0, 1 / 3])
    assert judged["mode_spreads"] == pytest.approx([0.3 / np.sqrt(2), 0, 0, 0])


def test_points_belong_to_the_mode_that_is_likeliest_not_to_the_nearest_centre():
    wide_and_narrow = Truth(
        np.array([0.5, 0.5]), np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([np.eye(2) * 4, np.eye(2) / 100])
    )
    assert mode_metrics(wide_and_narrow, np.array([[3.0, 0.0], [3.9, 0.0]]))["mode_shares"] == [0.5, 0.5]


def test_fid_is_clean_fids_and_torch_fidelitys_for_the_same_features():
    rng = np.random.default_rng(0)
    a, b = np.maximum(rng.normal(size=(500, 32)), 0), np.maximum(rng.normal(size=(400, 32)) + 0.5, 0)
    ours = frechet(*moments(a), *moments(b))
    assert ours == pytest.approx(fid_from_feats(a, b), rel=1e-5)
    statistics = [fid_features_to_statistics(torch.from_numpy(part)) for part in (a, b)]
    assert ours == pytest.approx(fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"], rel=1e-5)


def test_the_frechet_distance_of_points_is_exact_against_the_truth():
    truth = truth_of(GAUSSIAN)
    samples = truth.draw(2, 500)
    exact = frechet_distance(*moments(samples), truth.mean, truth.covariance)
    assert judged_points(samples)["fid"] == pytest.approx(exact, rel=1e-5)
    root = np.linalg.cholesky(truth.covariance) @ np.linalg.inv(np.linalg.cholesky(np.cov(samples, rowvar=False)))
    stretched = truth.mean + 2 * (samples - samples.mean(axis=0)) @ root.T + [3, 4]
    judged = judged_points(stretched)
    assert judged["fid"] == pytest.approx(25 + np.trace(truth.covariance))  # |shift|^2 + (2 - 1)^2 tr(C)
    assert judged["mean_error"] == pytest.approx(5)
    assert judged["covariance_error"] == pytest.approx(3 * np.linalg.norm(truth.covariance))
    assert judged["trace_ratio"] == pytest.approx(4)


def test_points_are_held_against_one_draw_of_the_truth_whatever_the_training_set():
    truth = truth_of(GAUSSIAN)
    samples = truth.draw(4, 1200)
    judged, reference = judged_points(samples), truth.draw(derive(0, "reference"), 1200)
    theirs = compute_prdc(reference[:1000].astype(np.float64), samples[:1000].astype(np.float64), 5)
    assert {key: judged[key] for key in theirs} == pytest.approx(theirs, abs=1e-6)
    assert judged["sliced_wasserstein"] > 0
    assert judged_points(reference)["sliced_wasserstein"] == 0


def test_every_metric_says_of_how_many_samples_it_is():
    features = np.random.default_rng(0).normal(size=(1500, 4))
    reference = features[:700] + 0.1
    context = Judged(features, features, reference, moments(reference), None, None, None)
    judged = {key: value for kind in METRICS for key, value in METRICS[kind](context, Section()).items()}
    counts = {"n_kid": 500, "n_kid_subsets": 10, "n_prdc": 1000, "n_prdc_reference": 700, "n_neighbours": 5}
    assert judged.items() >= (counts | {"n_samples": 1500, "n_reference": 700}).items()
    points = judged_points(truth_of(GAUSSIAN).draw(0, 300))
    assert (points["n_samples"], points["n_reference"], points["n_directions"]) == (300, 300, 32)
    assert (points["n_kid"], points["n_prdc"]) == (300, 300)


def test_samples_too_few_for_neighbours_have_the_other_metrics():
    judged = judged_points(truth_of(GAUSSIAN).draw(0, 5))
    assert "coverage" not in judged
    assert np.isfinite([judged["kid"], judged["sliced_wasserstein"]]).all()


def test_fid_infinity_has_lost_the_bias_of_finite_samples():
    rng, size, n = np.random.default_rng(0), 16, 1000
    truth = np.zeros(size), np.eye(size)
    for scale in (1.0, 1.2):
        draws = [scale * rng.normal(size=(n, size)) for _ in range(30)]
        exact = size * (scale - 1) ** 2
        bias = np.mean([frechet(*moments(draw), *truth) for draw in draws]) - exact
        assert bias > 0.05
        assert abs(np.mean([fid_infinity(draw, *truth)["fid_infinity"] for draw in draws]) - exact) < bias / 4


def test_fid_infinity_is_the_intercept_of_numpys_line_through_the_means_over_equal_parts():
    features, truth = np.random.default_rng(0).normal(size=(61, 3)), (np.zeros(3), np.eye(3))
    sizes = np.array([61, 30, 20, 15, 12])
    parts = [[features[part * size : (part + 1) * size] for part in range(61 // size)] for size in sizes]
    distances = [np.mean([frechet_distance(*moments(part), *truth) for part in same]) for same in parts]
    judged = fid_infinity(features, *truth)
    assert judged["fid_infinity"] == pytest.approx(np.polyfit(1 / sizes, distances, 1)[1], rel=1e-6)
    assert judged["n_infinity"] == 12


def test_fid_infinity_is_reported_only_where_it_is_asked_for():
    samples = truth_of(GAUSSIAN).draw(1, 1000)
    plain, asked = (evaluate_samples(experiment("smoke", **options), samples) for options in ({}, {"fid_infinity": True}))
    assert asked.keys() - plain.keys() == {"fid_infinity", "n_infinity"}
    assert {key: asked[key] for key in plain} == plain


def test_the_entropy_of_classes_is_scipys_in_nats():
    labels = np.random.default_rng(0).integers(0, 7, 1000) ** 2
    assert class_entropy(labels) == pytest.approx(entropy(np.bincount(labels)))
    assert class_entropy(np.full(10, 3)) == 0
    assert class_entropy(np.arange(10)) == pytest.approx(np.log(10))


def test_memorised_images_are_at_no_distance_and_others_in_units_of_a_pixels_range():
    training = np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8)).astype(np.uint8)
    assert memorisation(training[:20], training) == {"nearest_training_distance": 0, "n_nearest": 20}
    black, white = np.zeros((1, 1, 8, 8), np.uint8), np.full((1, 1, 8, 8), 255, np.uint8)
    assert memorisation(white, black)["nearest_training_distance"] == pytest.approx(8)  # the root of 64 pixels


def test_metrics_are_the_same_again_whatever_numpys_global_generator_does():
    params = experiment("mixture", n=2000)
    samples = truth_of(MIXTURE).draw(9, 2000)
    first = evaluate_samples(params, samples)
    np.random.seed(3)
    assert evaluate_samples(params, samples) == first
    assert fid(params, samples) == first["fid"]


@pytest.mark.parametrize("preset", ["smoke", "mixture"])
def test_every_metric_has_its_floor_at_the_same_count(preset, tmp_path, monkeypatch):
    params = experiment(preset, n=1000, fid_infinity=True)
    monkeypatch.chdir(tmp_path)
    make_shared(params)
    facts = read_json(Layout(params.experiment).facts)
    judged = evaluate_samples(params, DATASETS[params.data.kind](params.data).truth.draw(9, 1000))
    assert facts["floors"].keys() == judged.keys() - {"extractor", "reference"}
    assert facts["floors"]["fid"] == facts["floor"]
    counts = {key: value for key, value in judged.items() if key.startswith("n_")}
    assert facts["floors"].items() >= counts.items()
    assert abs(facts["floors"]["fid_infinity"]) < facts["floor"] / 2
    assert facts["floors"]["coverage"] > 0.9

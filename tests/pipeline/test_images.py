"""The path of real images: digits, the classifier that judges them, and a generation of each strategy."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline.data.samples import decode, encode
from pipeline.data.source import dataset
from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.params import load, parse
from pipeline.experiment.sections import Evaluation
from pipeline.judging.evaluation import evaluate_samples, fid
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_whole
from pipeline.storage.files import read_array, read_json
from pipeline.storage.layout import METRICS, SYNTHETIC, Layout

OF_A_GENERATION = {"environment", "extractor", "reference", "fid_base", "generation", "guidance", "images_seen", "nfe"}


@pytest.fixture
def digits(tmp_path, monkeypatch):
    from pathlib import Path

    raw = load(Path("presets/digits.yaml")).model_dump(mode="json", exclude_none=True)
    raw["train"] |= {"steps": 30, "batch": 64}
    raw["auxiliary"] |= {"steps": 10, "batch": 64, "n": 200, "checkpoint_images": 64}
    raw["evaluation"] |= {"n": 200}
    raw |= {"n_synthetic": 100, "generations": 2}
    monkeypatch.chdir(tmp_path)
    return parse(raw)


def test_digits_are_split_once_and_survive_the_way_to_a_model_and_back(digits):
    source = dataset(digits)
    assert source.training.values.shape == (1200, 1, 8, 8)
    assert len(source.reference.values) == 597
    assert len({image.tobytes() for part in (source.training, source.reference) for image in part.values}) > 1700
    values = decode(source.training.values)
    assert values.min() == -1
    assert values.max() == 1
    assert np.array_equal(encode(values, source.training.values), source.training.values)


def test_two_generations_of_images_are_made_and_judged_by_the_classifier(digits):
    layout = Layout("digits")
    make_shared(digits)
    facts = read_json(layout.facts)
    assert facts["classifier_accuracy"] > 0.95
    assert facts["floor_n"] == facts["floors"]["n_samples"] == 200
    make_base(digits, 0)
    for arm, generation in (("standard", 1), ("standard", 2), ("sims", 1), ("sims", 2)):
        make_whole(digits, Chain(arm, 0), generation)
        folder = layout.generation(Chain(arm, 0), generation)
        output, metrics = read_array(folder / SYNTHETIC), read_json(folder / METRICS)
        assert output.shape == (200, 1, 8, 8)
        assert output.dtype == np.uint8
        assert metrics["extractor"] == facts["extractor"]
        assert metrics["fid"] > facts["floor"]
        assert facts["floors"].keys() == metrics.keys() - OF_A_GENERATION
        assert metrics["n_samples"] == metrics["n_prdc"] == metrics["n_nearest"] == 200
        assert metrics["class_entropy"] <= np.log(10)
        assert metrics["nfe"] == (35 if arm == "standard" else 70)
    assert not pd.isna(metrics["fid_base"])


def test_an_extrapolation_needs_more_images_than_their_features_have_dimensions():
    with pytest.raises(ValidationError, match="n 999 is not allowed: fid_infinity needs at least 1000"):
        Evaluation(extractor=EXTRACTORS.entry("classifier").settings(kind="classifier"), n=999, fid_infinity=True)


def test_real_digits_are_at_the_floor_copies_at_no_distance_and_one_class_has_no_entropy(digits):
    digits = digits.model_copy(update={"evaluation": digits.evaluation.model_copy(update={"fid_infinity": True, "n": 1200})})
    make_shared(digits)
    source, facts = dataset(digits), read_json(Layout("digits").facts)
    floors, training = facts["floors"], source.training
    judged = evaluate_samples(digits, training.values)
    assert {key: judged[key] for key in floors} == floors | {"nearest_training_distance": 0, "n_nearest": 1000}
    assert fid(digits, training.values) == floors["fid"] == facts["floor"]
    assert 0 < floors["fid_infinity"] < floors["fid"]
    assert floors["n_nearest"] == len(source.reference.values)
    assert floors["nearest_training_distance"] > 0.5
    assert floors["class_entropy"] == pytest.approx(np.log(10), abs=0.01)
    ones = evaluate_samples(digits, training.values[training.classes == 1])
    assert ones["class_entropy"] < 0.2
    assert ones["coverage"] < 0.3
    assert ones["kid"] > 100 * abs(floors["kid"])

"""Labels through everything: drawn, trained with, handed on, judged, shown, and named in the recipes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.data.arrays import read_samples
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, parse
from pipeline.generation.classes import Mix, mix
from pipeline.generation.job import Job
from pipeline.generation.steps import training_set
from pipeline.making.judgement import judge_generation
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_generation
from pipeline.recipes.rendering import recipe
from pipeline.storage.files import read_json
from pipeline.storage.layout import DRAWN, METRICS, PICTURE, SYNTHETIC, Layout

ROOT = Path(__file__).resolve().parents[2]
CHAIN = Chain("sims", 0)
SMALL = {"kind": "song-unet", "channels": 8, "multipliers": [1, 2], "blocks": 1, "attention": [4], "dropout": 0.1}


def digits(**changes: Any) -> Params:
    raw: dict[str, Any] = YAML(typ="safe").load(ROOT / "presets" / "digits.yaml")
    raw |= {"network": SMALL, "labels": "real", "generations": 2, "n_synthetic": 60}
    raw["train"] |= {"steps": 8, "batch": 16}
    raw["auxiliary"] |= {"n": 60, "steps": 4, "batch": 16}
    raw["sampler"] |= {"steps": 3, "block": 40}
    raw["evaluation"]["n"] = 120
    raw["arms"] = {"sims": {"loop": "augmentation", "strategy": "sims", "guidance": 1.0}}
    return parse(raw | changes)


def made(params: Params, generations: int = 2) -> list[Path]:
    make_shared(params)
    make_base(params, 0)
    for number in range(1, generations + 1):
        make_generation(params, CHAIN, number)
        judge_generation(params, CHAIN, number)
    return [Layout(params.experiment).generation(CHAIN, number) for number in range(1, generations + 1)]


def test_a_samples_class_depends_on_its_index_alone_and_the_shares_are_kept() -> None:
    drawn = Mix(np.array([1.0, 0.0, 3.0]), seed=7)
    whole = drawn.draw(0, 4000)
    np.testing.assert_array_equal(whole[1234:1300], drawn.draw(1234, 1300))
    assert set(whole) == {0, 2}
    assert (whole == 2).mean() == pytest.approx(0.75, abs=0.03)
    real = np.repeat([0, 1, 2], [10, 20, 70])
    assert (mix(digits(), real, 0).draw(0, 4000) == 2).mean() == pytest.approx(0.7, abs=0.03)
    assert (mix(digits(labels="uniform"), real, 0).draw(0, 4000) == 2).mean() == pytest.approx(1 / 3, abs=0.03)
    with pytest.raises(BadInput, match=r"labels: 2 shares are not allowed: the data set has 3 classes"):
        mix(digits(labels=[0.5, 0.5]), real, 0)


def test_stages_depend_on_what_a_networks_file_imports(monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    text = recipe(digits(), CHAIN, 2)
    assert all(f"    - models/{file}.py\n" in text for file in ("networks/song_unet", "unet/block", "unet/layers"))
    assert "models/networks/dhariwal_unet.py" not in text


def test_a_generation_keeps_its_labels_and_hands_them_on_to_the_same_bytes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    params = digits()
    first, second = made(params)
    samples, drawn = read_samples(first / SYNTHETIC), read_samples(first / DRAWN)
    assert len(set(samples.classes.tolist())) == 10
    assert not np.array_equal(samples.classes[:120], drawn.classes[:120])
    mixed = training_set(Job(params, CHAIN, 2, second))
    taken = mixed.take(np.arange(len(mixed)))
    np.testing.assert_array_equal(taken.classes[-60:], samples.classes[:60])
    found = read_json(second / METRICS)
    assert sum(found["class_shares"]) == pytest.approx(1)
    assert 0 <= found["label_agreement"] <= 1
    assert found["reference"].startswith("reference-")
    content = [(second / name).read_bytes() for name in (SYNTHETIC, METRICS, PICTURE)]
    make_generation(params, CHAIN, 2)
    judge_generation(params, CHAIN, 2)
    assert content == [(second / name).read_bytes() for name in (SYNTHETIC, METRICS, PICTURE)]
    text = recipe(params, CHAIN, 2)
    assert f"{first}/synthetic-labels.npy" in text
    assert f"{second}/drawn-labels.npy" in text
    assert "    - labels\n" in text


@pytest.mark.parametrize("hook", [{"name": "keep-typical", "share": 0.5}, {"name": "towards-real", "strength": 1.0}])
def test_hooks_keep_labels_and_correct_towards_the_own_class(tmp_path: Path, monkeypatch: Any, hook: dict[str, Any]) -> None:
    monkeypatch.chdir(tmp_path)
    params = digits(arms={"sims": {"loop": "augmentation", "strategy": "standard", "hook": hook}}, generations=1)
    (only,) = made(params, 1)
    samples = read_samples(only / SYNTHETIC)
    assert len(samples) == len(samples.classes) == 120
    if hook["name"] == "towards-real":
        real = read_samples(Layout("digits").data / "training.npy")
        for value, label in zip(samples.values[:20], samples.classes[:20]):
            same = (real.values == value).all(axis=(1, 2, 3))
            assert label in real.classes[same]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": {"kind": "residual-mlp", "width": 8, "depth": 1, "embedding": 4}}, "network.kind residual-mlp takes none"),
        ({"labels": [0.0, 0.0]}, "the shares must not all be 0"),
        ({"labels": "some"}, "labels: 'some' is not allowed"),
        ({"data": {"kind": "gaussian", "n_real": 10, "mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]}}, "no labels"),
    ],
)
def test_labels_that_cannot_be_are_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        digits(**changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

"""The noise levels of training: what fits the data, what is said where it does not, and where that stands."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.diffusion.noise import TrainingNoise, fitting
from pipeline.data import noise
from pipeline.data.noise import training_noise
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load, parse
from pipeline.making.shared import make_set
from pipeline.recipes import stages
from pipeline.views.resolved import resolved

ROOT = Path(__file__).resolve().parents[2]


def with_noise(preset: str = "gaussian", sampler: dict[str, Any] | None = None, **levels: Any) -> Params:
    raw = load(ROOT / "presets" / f"{preset}.yaml").model_dump(exclude_unset=True)
    raw["sampler"] |= sampler or {}
    return parse(raw | {"noise": levels})


def test_levels_that_are_not_given_are_edms_at_half_and_scaled_with_the_data() -> None:
    assert fitting(0.5) == TrainingNoise(0.5, -1.2, 1.2)
    assert fitting(1.5).p_mean == pytest.approx(-1.2 + math.log(3))
    assert training_noise(with_noise(sigma_data=0.5)) == TrainingNoise(0.5, -1.2, 1.2)
    assert training_noise(with_noise(sigma_data=1.0, p_std=2.0)).p_std == 2.0
    assert training_noise(with_noise(sigma_data=1.0, p_mean=0.0)).p_mean == 0.0


def test_data_and_noise_that_are_as_many_times_as_large_are_the_same_problem() -> None:
    small, large = fitting(0.5), fitting(5.0)
    assert small.share_above(4.0) == pytest.approx(large.share_above(40.0))


@pytest.mark.parametrize("shape", [{}, {"covariance": [[1.0, 0.0], [0.0, 20.0]]}, {"mean": [5.0, -3.0]}])
def test_auto_takes_the_datas_own_standard_deviation(shape: dict[str, Any]) -> None:
    raw = load(ROOT / "presets" / "gaussian.yaml").model_dump(exclude_unset=True)
    raw["data"] |= shape
    found = training_noise(parse(raw | {"noise": {"sigma_data": "auto"}}))
    assert found.sigma_data == pytest.approx(math.sqrt(np.trace(raw["data"]["covariance"]) / 2))
    assert found.p_mean == pytest.approx(fitting(found.sigma_data).p_mean)


def test_auto_takes_that_of_a_finite_sets_training_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = with_noise("digits", sigma_data="auto")
    assert resolved(params)["noise"] == {"sigma_data": "auto"}  # it is not known before the data are read
    make_set(params)
    images = np.load(tmp_path / "runs" / "digits" / "data" / "training.npy") / 127.5 - 1
    assert training_noise(params).sigma_data == pytest.approx(math.sqrt(images.var(axis=0).mean()))
    assert resolved(params)["noise"]["p_mean"] == pytest.approx(fitting(training_noise(params).sigma_data).p_mean)
    assert resolved(params, beforehand=True)["noise"] == {"sigma_data": "auto"}  # what MLflow finds a run by


def test_models_depend_on_the_sets_spread_only_where_the_noise_follows_it() -> None:
    auto, given = (stages.base_stage(with_noise("digits", sigma_data=value), 0) for value in ("auto", 0.75))
    assert "runs/digits/data/data.json" in auto
    assert "runs/digits/data/data.json" not in given


@pytest.mark.parametrize(
    ("levels", "sampler", "warned"),
    [
        ({"sigma_data": 1.4142, "p_mean": -1.2, "p_std": 1.2}, {}, True),
        (
            {"sigma_data": 1.4142, "p_mean": -1.2, "p_std": 1.2},
            {"sigma_max": 5.0},
            False,
        ),
        ({"sigma_data": 1.4142}, {}, False),
        ({"sigma_data": 1.4142, "p_mean": 0.5, "p_std": 1.8}, {}, False),
        ({"sigma_data": 0.5, "p_mean": -1.2, "p_std": 1.2}, {}, False),  # EDM's own
        ({"sigma_data": "auto", "p_mean": -2.0}, {}, True),
    ],
)
def test_sampling_that_starts_far_above_what_training_sees_is_warned_of(
    levels: dict[str, Any], sampler: dict[str, Any], warned: bool
) -> None:
    said = noise.warning(with_noise(sampler=sampler, **levels))
    assert (said is not None) == warned
    if said:
        assert "sigma_max 80" in said
        assert "p_mean -0.16" in said


def test_the_share_above_half_of_sigma_max_is_among_the_resolved_params() -> None:
    found = resolved(with_noise(sigma_data=1.0, p_mean=math.log(40), p_std=1.0))["noise"]
    assert found["share_above_half_sigma_max"] == pytest.approx(0.5)


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_preset_but_the_runaway_is_warned_of(preset: Path) -> None:
    assert (noise.warning(load(preset)) is not None) == (preset.stem == "gaussian-runaway")


@pytest.mark.parametrize("value", ["own", -1, 0, None, True])
def test_other_deviations_are_refused_by_name(value: Any) -> None:
    with pytest.raises(BadInput, match=r"noise\.sigma_data"):
        with_noise(sigma_data=value)


def test_making_a_base_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from pipeline.generation import steps
    from pipeline.making.shared import make_points

    monkeypatch.chdir(tmp_path)
    raw = load(ROOT / "presets" / "smoke.yaml").model_dump(exclude_unset=True)
    raw["noise"] = {"sigma_data": 1.4142, "p_mean": -1.3, "p_std": 1.2}
    params = parse(raw)
    make_points(params, 0)
    steps.train_base(params, 0, tmp_path)
    assert [record.message for record in caplog.records if "sigma_max" in record.message]
    assert json.loads((tmp_path / "losses.json").read_text())

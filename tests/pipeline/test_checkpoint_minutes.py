"""`checkpoint_minutes`: a training's state is kept by wall time, and a killed training goes on from it to the same bytes."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT

from models.diffusion import training
from pipeline.experiment.chains import Chain, decisive
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.checkpoints import FileCheckpoint
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base
from pipeline.storage.layout import BASE, Layout

STEPS = 500
STEP_SECONDS = 1.0


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The values of preset smoke, in a folder with its data; a clock that a training's every step moves by a second."""
    monkeypatch.chdir(tmp_path)
    seconds = count(0.0, STEP_SECONDS)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    raw = load(ROOT / "presets/smoke.yaml").model_dump(exclude_unset=True)
    raw["train"] |= {"steps": STEPS}
    make_shared(parse(raw))
    return raw


def minutely(raw: dict[str, Any], **train: Any) -> Params:
    return parse(raw | {"train": raw["train"] | train})


def kept_at(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[int]:
    """The steps after which states are kept from now on; after so many of them the training is stopped."""
    steps, keep = list[int](), FileCheckpoint.keep

    def keeping(self: FileCheckpoint, state: dict[str, Any]) -> None:
        keep(self, state)
        steps.append(int(state["step"]))
        if len(steps) == stop_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(FileCheckpoint, "keep", keeping)
    return steps


def test_states_are_kept_whenever_so_many_minutes_are_over_or_images_seen(
    smoke: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = kept_at(monkeypatch)
    make_base(minutely(smoke, checkpoint_minutes=2.5), 0)  # 150 steps of a second, at the end of a chunk of 64 steps
    assert steps == [192, 384, STEPS]
    steps.clear()
    make_base(minutely(smoke, checkpoint_minutes=2.5, checkpoint_images=128 * 128), 0)
    assert steps == [128, 256, 384, STEPS]


def test_a_killed_training_goes_on_from_the_last_minutes_state_to_the_same_bytes(
    smoke: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = Layout("smoke").base(0) / BASE
    make_base(minutely(smoke), 0)
    undisturbed = file.read_bytes()
    with monkeypatch.context() as patch:
        kept_at(patch, stop_after=2)
        with pytest.raises(KeyboardInterrupt):
            make_base(minutely(smoke, checkpoint_minutes=1.0), 0)
    file.unlink()
    steps = kept_at(monkeypatch)
    make_base(minutely(smoke, checkpoint_minutes=1.0), 0)
    assert "the training goes on after 128 steps" in caplog.text
    assert steps == [192, 256, 320, 384, 448, STEPS]
    assert file.read_bytes() == undisturbed


def test_the_minutes_make_nothing_stale_and_must_be_more_than_none(smoke: dict[str, Any]) -> None:
    chain = Chain("sims", 0)
    assert decisive(minutely(smoke, checkpoint_minutes=5), chain) == decisive(minutely(smoke), chain)
    with pytest.raises(BadInput, match=r"train\.checkpoint_minutes: 0 is not allowed"):
        minutely(smoke, checkpoint_minutes=0)

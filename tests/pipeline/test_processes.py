"""Several processes for one chain: the same curve, the same samples, a safe end when one of them dies, and what is said."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import ROOT
from safetensors.torch import load_file

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, Broken, RunFailed
from pipeline.experiment.params import Params, load, parse
from pipeline.making.environments import others
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_generation
from pipeline.storage.files import read_array, read_json
from pipeline.storage.layout import BASE, ENVIRONMENT, LOSSES, MADE, SYNTHETIC, Layout

ARM = {"arm": {"loop": "augmentation", "strategy": "standard"}}
LAYOUT = Layout("smoke")
FIRST = LAYOUT.generation(Chain("arm", 0), 1)
Make = Callable[..., Params]


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The params of preset smoke for so many processes, in a folder with its data."""
    raw = load(ROOT / "presets/smoke.yaml").model_dump(exclude_unset=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def params(processes: int, steps: int = 200, **train: Any) -> Params:
        budgets = {"train": raw["train"] | {"steps": steps} | train, "auxiliary": raw["auxiliary"] | {"steps": 20}}
        engine = {"threads": 1, "processes_per_chain": processes}
        return parse(raw | budgets | {"arms": ARM, "engine": engine, "device": "cpu"})

    make_shared(params(1))
    return params


def losses(folder: Path) -> np.ndarray:
    return np.array(read_json(folder / LOSSES)["train"])


def test_two_processes_have_the_curve_of_one_and_draw_the_same_samples_of_a_model(points: Make) -> None:
    base = LAYOUT.base(0)
    make_base(points(1), 0)
    alone, weights = losses(base), load_file(base / BASE)
    make_generation(points(1), Chain("arm", 0), 1)
    output = read_array(FIRST / SYNTHETIC)
    make_generation(points(2), Chain("arm", 0), 1)
    np.testing.assert_array_equal(read_array(FIRST / SYNTHETIC), output)
    assert read_json(FIRST / MADE)["environment"].endswith(", 2 processes")
    make_base(points(2), 0)
    assert len(alone) >= 4
    np.testing.assert_allclose(losses(base), alone, rtol=1e-5)
    for name, value in load_file(base / BASE).items():
        np.testing.assert_allclose(value, weights[name], atol=1e-4)
    assert not list(LAYOUT.runs.rglob("*-processes*"))
    assert "2 processes; here it is" in others(points(1), [Chain("arm", 0)])[0]


def test_when_a_process_is_killed_the_step_fails_and_the_same_command_goes_on_to_the_same_bytes(
    points: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    params, checkpoint = points(2, 1600, checkpoint_images=128 * 64), LAYOUT.runs / "base/seed0.partial-train.safetensors"
    make_base(params, 0)
    undisturbed = (LAYOUT.base(0) / BASE).read_bytes()

    def kill() -> None:
        while not checkpoint.exists():
            time.sleep(0.005)
        ranks = [each for each in psutil.Process().children() if "pipeline.making.rank" in each.cmdline()]
        ranks[-1].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RunFailed, match=r"base model of seed 0: process 1 .*of 2 was killed|ended, and with it the others"):
        make_base(params, 0)
    killer.join()
    assert checkpoint.exists()
    assert (LAYOUT.base(0) / BASE).read_bytes() == undisturbed
    (LAYOUT.base(0) / BASE).unlink()
    state = checkpoint.read_bytes()
    make_base(params, 0)
    assert "the training goes on after" in capfd.readouterr().err
    assert (LAYOUT.base(0) / BASE).read_bytes() == undisturbed
    assert not checkpoint.exists()
    checkpoint.write_bytes(state)
    make_base(points(1, 1600, checkpoint_images=128 * 64), 0)
    assert read_json(LAYOUT.base(0) / ENVIRONMENT)["environment"].endswith("2 then 1 processes")


def test_numbers_that_break_in_the_processes_are_said_as_in_one(points: Make) -> None:
    with pytest.raises(Broken, match=r"^base model of seed 0: the loss is not finite at step"):
        make_base(points(2, learning_rate=1e30), 0)
    assert not LAYOUT.base(0).exists()


def test_a_batch_that_processes_cannot_share_is_refused(points: Make) -> None:
    with pytest.raises(BadInput, match=r"engine.processes_per_chain: 3 is not allowed: they must share train.batch 128 evenly"):
        points(3)

"""Runs whose steps last: what is seen of them meanwhile, and what is not seen any more after a kill."""

import json
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from conftest import OWN_SERVER, Project, ask, until

IMPATIENT = {
    "pipeline/storage/within.py": (
        "PATIENCE_SECONDS = 3.0",
        "PATIENCE_SECONDS = 0.3",
        "EVERY_SECONDS = 1.0",
        "EVERY_SECONDS = 0.1",
    ),
    "flows/watching/progress.py": ("LINE_SECONDS = 30.0", "LINE_SECONDS = 0.5"),
    "flows/watching/showing.py": (
        "UPDATE_SECONDS = 10.0",
        "UPDATE_SECONDS = 0.5",
        "SHARE_OF_TIME = 0.004",
        "SHARE_OF_TIME = 1.0",
    ),
}
"""Seconds are long: what the constants are in the program, and what in the tests' copy of it."""
LINE = r"^{chain} +making {generations}  {step} \d+%: [\d,]+ of {total} images, [\d.,]+ images/s, {loss}left \d+:\d\d"


@pytest.fixture
def slow(project: Callable[..., Project]) -> Project:
    """A project in which a training lasts some seconds, which is long."""
    made = project(edit=lambda text: text.replace("train: {steps: 200", "train: {steps: 24000"))
    for path, changes in IMPATIENT.items():
        text = (made.folder / path).read_text()
        for old, new in zip(changes[::2], changes[1::2]):
            assert old in text
            text = text.replace(old, new)
        (made.folder / path).write_text(text)
    return made


def line(chain: str, generations: str, step: str, total: str, loss: str = r"loss [\d.]+, ") -> re.Pattern[str]:
    words = {"chain": chain, "generations": generations, "step": step, "total": total, "loss": loss}
    return re.compile(LINE.format(**words), re.MULTILINE)


def live_points(project: Project, run: str) -> dict[str, list[tuple[int, float]]]:
    """What MLflow has of a run: the points (step, value) of each of its metrics, in the order in which they were written."""
    query = "select key, step, value from metrics natural join runs where name = ? and lifecycle_stage = 'active'"
    query += " order by timestamp"
    found: dict[str, list[tuple[int, float]]] = {}
    with suppress(sqlite3.OperationalError), sqlite3.connect(project.folder / "mlflow.db") as db:  # no tables yet
        for key, step, value in db.execute(query, (run,)):
            found.setdefault(key, []).append((step, value))
    return found


def artifacts(project: Project, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(project.server, "artifacts/filter", json.dumps({"artifacts": {"key": {"any_": [key]}}}))
    return found


def test_long_steps_of_base_model_and_chain_are_seen_on_the_terminal_on_prefects_page_and_in_mlflow(slow):
    slow.edit("experiment: smoke", "experiment: slow")  # artifacts of the tests' server have the experiment's name
    said = slow.run("flows.cli", "run", "--arm", "standard")
    assert line("base/seed0", "1/1", "train", "3,072,000").search(said), said
    assert line("standard/seed0", "2/2", "train", "3,072,000").search(said), said
    for key, text in (
        ("slow-base-seed0-step", "base/seed0, generation 1: train is done"),
        ("slow-standard-seed0-step", "standard/seed0, generation 2: train is done"),
    ):
        (artifact,) = artifacts(slow, key)
        assert (float(artifact["data"]), artifact["description"]) == (100.0, text)
        assert artifact["flow_run_id"]
    for run, generation in (("base/seed0 live", 1), ("standard/seed0 live", 2)):
        points = live_points(slow, run)
        assert set(points) == {f"g{generation:03d} train/loss", f"g{generation:03d} train/images per second"}
        for name in points:
            images = [step for step, _ in points[name]]
            assert images == sorted(set(images))
            assert 0 < images[0] <= images[-1] <= 3_072_000
    with sqlite3.connect(slow.folder / "mlflow.db") as db:
        assert {status for (status,) in db.execute("select status from runs where name like '% live'")} == {"FINISHED"}
    assert not list(slow.folder.glob("runs/**/*within*"))


def test_status_shows_who_is_at_work_and_after_a_kill_nobody_is(slow):
    slow.edit("train: {steps: 24000", "train: {steps: 24000000")
    process = slow.start("flows.cli", "run", "--arm", "standard", **OWN_SERVER)
    file = slow.folder / "runs/smoke/base/seed0.within.json"
    try:
        assert line("base/seed0", "1/1", "train", "3,072,000,000").search(_said(process, "making"))
        shown = slow.run("flows.cli", "status")
        assert re.search(r"^base/seed0: train 0%: [\d,]+ of 3,072,000,000 images, .* loss ", shown, re.MULTILINE)
        until(lambda: live_points(slow, "base/seed0 live"), 20)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert file.exists()
    assert "is making" not in slow.run("flows.cli", "status")
    slow.edit("train: {steps: 24000000", "train: {steps: 20")
    assert "making" not in slow.run("flows.cli", "run", "--arm", "standard", "--generations", "1")
    assert not file.exists()


def _said(process: Any, word: str) -> str:
    """The first line that has a word."""
    for text in process.stderr:
        if word in text:
            return str(text)
    raise AssertionError(f"{word} was never said")

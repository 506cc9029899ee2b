"""Who `self-consuming status` says is at work."""

import time
from pathlib import Path

import psutil
import pytest

from flows.watching.under_way import under_way
from pipeline.experiment.chains import Chain
from pipeline.storage.layout import RUNNER, Layout
from pipeline.storage.ownership import owned

CHAINS = [Chain(arm, seed) for arm in ("standard", "sims") for seed in range(2)]
RUNS = Path("runs/smoke")
ME = psutil.Process()


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_is_named_with_its_chains_its_owner_and_its_beginning() -> None:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(ME.create_time()))
    with owned(RUNS / "sims/seed0", name=RUNNER), owned(RUNS / "sims/seed1", name=RUNNER), owned(RUNS / "sims/seed1"):
        (line,) = under_way(Layout("smoke"), CHAINS)
    assert line.startswith(
        f"a run of sims/seed0, sims/seed1 is under way: process {ME.pid} of {ME.username()}, since {since} ("
    )


def test_what_is_made_without_a_run_is_no_run() -> None:
    with owned(RUNS / "sims/seed1"), owned(RUNS):
        (line,) = under_way(Layout("smoke"), CHAINS)
    assert line.startswith(f"sims/seed1, what all chains share: being made outside a run, by process {ME.pid} of ")


def test_nobody_is_at_work_once_the_owner_has_gone_and_a_study_is_told_beside_it() -> None:
    with owned(RUNS / "sims/seed0", name=RUNNER):
        pass
    assert (RUNS / "sims/seed0" / RUNNER).exists()
    assert under_way(Layout("smoke"), CHAINS) == ["no run is under way"]
    with owned(Path("studies/pollution")):
        nobody, line = under_way(Layout("smoke"), CHAINS)
    assert nobody == "no run is under way"
    assert line.startswith(f"study pollution is under way: process {ME.pid} of ")

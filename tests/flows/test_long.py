"""Runs of weeks: docs/long.md's script, disks that are too small or full, and what is said beforehand."""

import errno
import json
import os
import re
import signal
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, until
from disks import ROOM, filled, small_disk

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.experiment.keeping import Keep
from pipeline.experiment.params import load, parse
from pipeline.generation.job import Job, fresh_model
from pipeline.making import patience, room
from pipeline.making.preparation import prepare
from pipeline.making.shared import make_points
from pipeline.records.repository import Versions

SCRIPT = re.search(r"```bash\n(.*?)```", (ROOT / "docs/long.md").read_text(), re.DOTALL)[1]  # type: ignore[index]
PROGRAM = '#!/bin/bash\necho "$@" >> calls\ntrap "exit 130" TERM\n[ -e code ] && exit $(cat code)\nsleep 30 >/dev/null & wait\n'


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with a program that notes its arguments and ends with the code in the file `code`, or waits for an interrupt."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in {".venv/bin/self-consuming": PROGRAM, "scontrol": '#!/bin/bash\necho "$@" > requeued\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def submit(folder: Path) -> subprocess.Popen[str]:
    more = {"SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}
    words = ["bash", "-c", SCRIPT]
    return subprocess.Popen(words, cwd="/", env=os.environ | more, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(("code", "requeued"), [(0, False), (1, True), (2, False)])
def test_the_slurm_script_queues_itself_again_until_the_run_is_done_or_its_input_is_bad(job, code, requeued):
    (job / "code").write_text(str(code))
    script = submit(job)
    script.communicate(timeout=20)
    assert script.returncode == code
    assert (job / "calls").read_text() == "run --quiet\n"
    assert (job / "requeued").exists() == requeued


def test_the_slurm_script_stops_the_run_when_its_time_is_nearly_up_and_queues_itself_again(job):
    script = submit(job)
    until((job / "calls").exists, 20)
    time.sleep(0.3)
    script.send_signal(signal.SIGUSR1)
    script.communicate(timeout=20)
    assert script.returncode == 130
    assert (job / "requeued").read_text() == "requeue 7\n"


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The values of preset smoke, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return load(ROOT / "presets/smoke.yaml").model_dump(exclude_unset=True)


def test_the_estimate_counts_what_is_kept_and_follows_the_number_of_steps(smoke):
    chain = Chain("sims", 0)
    longer = smoke | {"train": smoke["train"] | {"steps": 20_000}}
    tight = smoke | {"keep": {"networks": [], "samples": "needed"}}
    make_points(parse(smoke), 0)

    def of(raw: dict, generations: int, copies: int = 1) -> room.Estimate:
        return room.estimate(parse(raw), {chain: generations}, copies)

    samples = 2 * 1000 * 2 * 4
    network = (of(smoke, 2).bytes - of(smoke, 1).bytes - samples) // 2
    assert network == sum(weight.numel() * 4 for weight in fresh_model(_job(parse(smoke)), "init").parameters())
    assert of(tight, 100).bytes == of(tight, 2).bytes < of(smoke, 4).bytes
    assert of(smoke, 3, copies=2).bytes == 2 * of(smoke, 3).bytes
    assert of(longer, 1).seconds > 10 * of(smoke, 1).seconds > 0


def _job(params):
    return Job(params, Chain("sims", 0), 1, Path())


def test_a_chain_that_goes_on_will_take_what_its_last_generation_took(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    params, chain = load(Path("params.yaml")), Chain("sims", 0)
    folder = Path("runs/smoke/sims/seed0/g002")
    one = sum(path.stat().st_size for path in folder.glob("*") if path.suffix in {".safetensors", ".npy"})
    monkeypatch.setattr(room, "_as_measured", None)
    found = room.estimate(params, {chain: 102}, 1)
    assert found.bytes == (100 + 2) * one
    rows = [json.loads(line) for line in (folder.parent / "timings.jsonl").read_text().splitlines()]
    assert found.seconds == pytest.approx(100 * sum(row["seconds"] for row in rows if row.get("generation") == 2))
    assert room.as_made(params, chain, 1) is None
    assert room.estimate(params, {chain: 2}, 1).bytes == 0


def test_a_run_that_is_told_to_wait_for_room_is_not_refused(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    raw = load(Path("params.yaml")).model_dump(exclude_unset=True)
    monkeypatch.setattr(room, "as_made", lambda *_: room.One(10**9, 0, 1.0))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 10**9))
    for on_full, refused in (("stop", True), ("wait", False)):
        params = parse(raw | {"engine": raw["engine"] | {"on_full": on_full}})
        with pytest.raises(BadInput, match=r"2\.00 GB are free, and") if refused else nullcontext():
            room.check_room(Versions(params, shared=True), params, {Chain("sims", 0): 9})


def test_what_does_not_fit_is_refused_before_anything_is_trained_unless_told_otherwise(project):
    small = project("small", edit=lambda text: text.replace("generations: 2", "generations: 999"))
    small.edit("n_synthetic: 1000", "n_synthetic: 100000000")
    said = small.run("flows.cli", "run", code=2)
    assert re.search(r"error: disk: [\d.]+ GB are free, and [\d.]+ GB are needed: .*--despite-disk", said)
    assert not (small.folder / "runs/smoke/base/seed0/base.safetensors").exists()


def test_a_full_disk_is_waited_for_where_params_say_so(smoke, monkeypatch):
    tries, rooms = [], iter([False, True])
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(patience, "has_room", lambda folder: next(rooms))

    def act() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RunFailed("DVC: no room") from OSError(errno.ENOSPC, "No space left on device")

    waiting = parse(smoke | {"engine": {"threads": 1, "on_full": "wait"}})
    patience.patiently(waiting, Path(), act)
    assert len(tries) == 2
    tries.clear()
    with pytest.raises(RunFailed, match="no room"):
        patience.patiently(parse(smoke), Path(), act)
    with pytest.raises(ValueError, match="not the disk"):
        patience.patiently(waiting, Path(), lambda: _raise(ValueError("not the disk")))


def test_what_a_run_takes_is_said_once_though_it_prepares_twice(finished_copy, monkeypatch, caplog):
    monkeypatch.chdir(finished_copy.folder)
    monkeypatch.setattr(room, "WORTH_BYTES", 0)
    params = load(Path("params.yaml"))
    for _ in range(2):
        prepare(Versions(params), params, {Chain("sims", 0): 3})
    assert caplog.text.count("this will take") == 1


def test_a_run_waits_on_a_full_disk_and_goes_on_by_itself_to_the_same_bytes(finished, longer, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        copy = finished.copy(disk / "project")
        copy.edit("generations: 2", "generations: 3")
        copy.edit("engine: {", "engine: {on_full: wait, ")
        filler = filled(disk, but=ROOM)
        run = copy.start("flows.cli", "run", PREFECT_HOME=str(tmp_path / "prefect"), PYTHONDONTWRITEBYTECODE="1")
        assert any("waiting until there is room, and going on then (engine.on_full)" in line for line in run.stderr)
        time.sleep(1)
        assert run.poll() is None
        filler.unlink()
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
        assert copy.locks() == longer.locks()


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("keep", [{"networks": ["every 0"]}, {"networks": ["middle"]}, {"samples": "last"}])
def test_rules_that_keep_knows_not_are_refused_with_what_is_allowed(smoke, keep):
    with pytest.raises(BadInput, match=r"keep\.(networks|samples).* is not allowed: .*every K"):
        parse(smoke | {"keep": keep})


def test_rules_of_keep_name_the_generations_whose_files_stay():
    keep = Keep(networks=["first", "every 3", "last"], samples="every 4")
    assert [t for t in range(1, 12) if keep.keeps_networks(t, last=11)] == [1, 3, 6, 9, 11]
    assert [t for t in range(1, 12) if keep.keeps_samples(t)] == [4, 8]
    assert all(Keep(samples="needed").keeps_networks(t, last=11) for t in range(1, 12))
    assert not any(Keep(networks=[], samples="needed").keeps_networks(t, last=11) for t in range(1, 12))

"""Faults of the world around a run: kills, damaged files, a full or read-only disk, MLflow or a Prefect server that is away."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from conftest import OWN_SERVER, Project, until
from disks import ROOM, filled, small_disk

from pipeline.records.cache import md5_of
from pipeline.views.mlflow.naming import changing

KILLS = int(os.environ.get("KILLS", "3"))
KILL_SEED = int(os.environ.get("KILL_SEED", "20261124"))
LONGEST_RUN_SECONDS = 15.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def test_kills_at_random_moments_change_no_hash(finished, project):
    """Of the whole process group, and every second time of the flow's process alone, whose workers end by themselves."""
    moments, copies, kills = random.Random(KILL_SEED), list[Project](), 0
    through = True
    while kills < KILLS:
        if through or kills % 3 == 0:
            copies.append(project(f"killed{len(copies)}"))
        moment = moments.uniform(1.0, LONGEST_RUN_SECONDS)
        process = copies[-1].start("flows.cli", "run")
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            kills += 1
            (os.killpg if kills % 2 else os.kill)(process.pid, signal.SIGKILL)
            print(f"seed {KILL_SEED}, kill {kills}: {copies[-1].folder.name} after {moment:.2f} s")
        process.communicate()
        through = process.returncode != -signal.SIGKILL
    for copy in copies:
        copy.run("flows.cli", "run")
        assert copy.locks() == finished.locks()
        assert copy.bytes() == finished.bytes()


def test_a_clock_that_was_set_ahead_and_back_again_changes_no_byte(finished_copy, longer):
    if FAKETIME is None:
        pytest.skip("needs Debian's faketime: make system")
    ahead = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+400d"}
    assert "everything is up to date" in finished_copy.run("flows.cli", "run", **ahead)
    finished_copy.edit("generations: 2", "generations: 3")
    assert "generation   2/3" not in finished_copy.run("flows.cli", "run", **ahead, **OWN_SERVER)
    assert finished_copy.locks() == longer.locks()
    later = time.time() + 300 * 86400
    timings = (finished_copy.folder / "runs/smoke/sims/seed0/timings.jsonl").read_text().splitlines()
    assert any(row["step"] == "train" and row["began"] > later for row in map(json.loads, timings))
    for path in finished_copy.folder.glob("runs/smoke/sims/seed0/g00[23]/*"):
        os.utime(path, (later, later))  # what a clock leaves that is set back afterwards
    assert "everything is up to date" in finished_copy.run("flows.cli", "run")


def test_a_training_killed_after_a_checkpoint_goes_on_from_there_to_the_same_bytes(project):
    copy = project(edit=lambda text: re.sub(r"steps: \d+, batch", "checkpoint_images: 32000, steps: 5000, batch", text))
    chain = copy.folder / "runs/smoke/sims/seed0"
    for moment in ("train", "fine-tune"):
        process = copy.start("flows.cli", "run", "--arm", "sims")
        until(lambda moment=moment: list(chain.glob(f"g002*-{moment}.safetensors")) and (chain / "g001/dvc.lock").exists(), 120)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    said = copy.run("flows.cli", "run", "--arm", "sims")
    assert re.search(r"g002\S*-train.safetensors: the training goes on after 5000 steps", said)
    assert re.search(r"g002\S*-fine-tune.safetensors: the training goes on after [1-9]\d* steps", said)
    assert "sims/seed0           generation   1/2" not in said
    assert not list(copy.folder.glob("runs/smoke/**/*-*.safetensors"))
    assert "1 generations verified, 0 differences" in copy.run("flows.cli", "verify", "--arm", "sims", "--generation", "2")


def test_a_worker_that_is_killed_fails_its_chain_alone_the_same_command_goes_on_and_track_meanwhile_doubles_no_point(
    finished_copy,
):
    finished_copy.without_mlflow().edit("generations: 2", "generations: 25")
    process = finished_copy.start("flows.cli", "run")
    chain = finished_copy.folder / "runs/smoke/sims/seed0"
    until(lambda: (chain / "g003/metrics.json").exists(), 120)
    tracking = finished_copy.start("flows.cli", "track")
    os.kill(int((chain / "owner.pid").read_text()), signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert "2 chains tracked" in tracking.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "failed: sims/seed0: its process was killed, or ran out of memory; the same command goes on" in said
    assert "standard/seed0       generation  25/25" in said
    assert "its process was killed" in (finished_copy.folder / "reports/smoke/report.html").read_text()
    said = finished_copy.run("flows.cli", "run")
    assert "sims/seed0           generation  25/25" in said
    assert "standard" not in said.replace("fid/standard", "")  # but in the address of the curves
    finished_copy.run("flows.cli", "track")
    points, pictures = finished_copy.tracked()
    assert set((points | pictures).values()) == {1}
    for arm in ("sims", "standard"):
        assert {step for run, key, step in points if (run, key) == (f"{arm}/seed0", "fid")} == set(range(1, 26))
        assert (f"{arm}/seed0", 25) in pictures


def test_a_disk_that_is_full_in_a_generation_fails_in_a_line_and_with_room_the_same_command_goes_on(finished, longer, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        copy = finished.copy(disk / "project")
        copy.edit("generations: 2", "generations: 3")
        filler = filled(disk, but=ROOM)
        output = copy.run("flows.cli", "run", code=1, PREFECT_HOME=str(tmp_path / "prefect"), PYTHONDONTWRITEBYTECODE="1")
        assert "No space left on device" in output or "disk is full" in output
        assert "the same command goes on from the last finished generation" in output
        assert "Traceback" not in output
        filler.unlink()
        (copy.folder / "runs/smoke/.SS2xNcl4ywmXq5HJGO1uFw.tmp").touch()  # DVC leaves such a file in some folder, now and then
        assert "generation   2/3" not in copy.run("flows.cli", "run")
        assert copy.locks() == longer.locks()


def test_a_disk_that_is_full_for_prefects_server_too_is_a_failure_in_a_line(finished, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        copy = finished.copy(disk / "project")
        copy.edit("generations: 2", "generations: 90")
        filler = filled(disk, but=3_000_000)
        output = copy.run("flows.cli", "run", code=1, PYTHONDONTWRITEBYTECODE="1", **OWN_SERVER)
        assert "No space left on device" in output or "disk is full" in output
        assert "the same command goes on from the last finished generation" in output
        assert "Traceback" not in output
        filler.unlink()
        made = len(list(copy.folder.glob("runs/smoke/sims/seed0/g*/dvc.lock")))
        said = copy.run("flows.cli", "run", "--arm", "sims", "--generations", str(made + 1))
        assert f"generation {made + 1:>3}/{made + 1}" in said
        assert "generation   1/" not in said


def test_cut_locks_damaged_outputs_and_a_damaged_cache_are_noticed_and_made_anew_to_the_same_bytes(finished_copy, finished):
    (finished_copy.folder / ".dvc/tmp/rwlock").write_text('{"write": {"')
    lock = finished_copy.folder / "runs/smoke/sims/seed0/g002/dvc.lock"
    lock.write_text("".join(lock.read_text().splitlines(keepends=True)[:-4]))  # between two outputs
    finished_copy.run("flows.cli", "report")
    for path in (lock, finished_copy.folder / "dvc.lock"):
        path.write_text(path.read_text()[:200])
    there, cut, gone = (
        finished_copy.folder / "runs/smoke" / name
        for name in (
            "sims/seed0/g001/synthetic.npy",
            "standard/seed0/g002/synthetic.npy",
            "standard/seed0/g002/base.safetensors",
        )
    )
    for path in (there, gone):
        _damage(_cached(finished_copy, path))
    cut.write_bytes(cut.read_bytes()[:1000])
    gone.unlink()
    said = finished_copy.run("flows.cli", "status")
    assert "sims/seed0                       1      1        0" in said
    assert f"{there.relative_to(finished_copy.folder)} was damaged: taken anew from the file itself" in said
    assert f"{gone.relative_to(finished_copy.folder)} was damaged and is dropped" in said
    said = finished_copy.run("flows.cli", "run")
    assert "sims/seed0           generation   2/2" in said
    assert "sims/seed0           generation   1/2" not in said
    assert "made anew" in next(line for line in said.splitlines() if "standard/seed0       generation   2/2" in line)
    assert finished_copy.locks() == finished.locks()
    assert gone.read_bytes() == (finished.folder / gone.relative_to(finished_copy.folder)).read_bytes()
    for kept in (finished_copy.folder / ".dvc/cache/files/md5").glob("*/*"):
        assert md5_of(kept) == kept.parent.name + kept.name.removesuffix(".dir")


@contextmanager
def locked(database: Path) -> Iterator[None]:
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("begin exclusive")
        yield
        other.execute("rollback")


@contextmanager
def read_only(database: Path) -> Iterator[None]:
    if subprocess.run(["mount", "--bind", str(database), str(database)], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(database)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(database)], check=False)


@pytest.mark.parametrize(
    ("fault", "reason"), [(locked, "database is locked"), (read_only, "attempt to write a readonly database")]
)
def test_a_run_whose_mlflow_store_cannot_be_written_warns_in_a_line_and_track_makes_up_for_it(finished_copy, fault, reason):
    with fault(finished_copy.folder / "mlflow.db"):
        said = finished_copy.run("flows.cli", "run", "--arm", "sims", "--generations", "3")
    assert "sims/seed0           generation   3/3" in said
    assert said.count(f"MLflow is left behind ({reason})") == 1
    assert "Traceback" not in said
    finished_copy.run("flows.cli", "track")
    with sqlite3.connect(finished_copy.folder / "mlflow.db") as store:
        query = (
            "select key, step, count(*) from metrics natural join runs where name like '%/seed_' group by run_uuid, key, step"
        )
        points = store.execute(query).fetchall()
    made = [json.loads(path.read_text()) for path in finished_copy.folder.glob("runs/smoke/*/seed0/g*/metrics.json")]
    words = {"extractor", "reference", "environment"}
    assert sorted(points) == sorted(
        (key, metrics["generation"], 1)
        for metrics in made
        for key in changing({name: metrics[name] for name in metrics.keys() - words}, chooses=False)
    )
    assert len(made) == len(pd.read_csv(finished_copy.folder / "reports/smoke/collapse.csv")) == 5
    assert "Data and pipelines are up to date." in finished_copy.run("dvc", "repro")


def test_a_finished_experiment_on_a_read_only_disk_is_read_and_every_writing_command_fails_in_a_line(finished, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "--bind", str(finished.folder), str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
        copy = Project.of(disk)
        assert "everything is up to date" in copy.run("flows.cli", "run")
        assert "sims/seed0                       2      0        0" in copy.run("flows.cli", "status")
        assert "1 generations verified" in copy.run("flows.cli", "verify", "--arm", "standard", "--generation", "1")
        assert "smoke" in copy.run("flows.cli", "preset", "list")
        for command in (["run", "--generations", "3"], ["report"], ["track"], ["preset", "digits"]):
            said = copy.run("flows.cli", *command, code=1).splitlines()
            assert len(said) == 1, said
            assert said[0].startswith("failed: ")
            assert re.search("read-?only", said[0], re.IGNORECASE)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def test_a_prefect_server_that_goes_away_lets_generations_end_and_the_run_says_how_to_go_on(project):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 200"))
    process = copy.start("flows.cli", "run", **OWN_SERVER)
    for line in process.stderr:
        if "generation   3/200" in line:
            break
    servers = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if _serves(path, process.pid)]
    os.kill(int(servers[0].name), signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1, said
    assert said.endswith(" is gone; the same command goes on from the last finished generation\n")
    assert "Traceback" not in said
    for arm in ("standard", "sims"):
        chain = copy.folder / "runs/smoke" / arm / "seed0"
        assert not list(chain.glob("g*.partial"))
        begun = list(chain.glob("g*/metrics.json"))
        assert 3 <= len(begun) < 200
        assert len(begun) == len(list(chain.glob("g*/dvc.lock")))
    assert copy.statuses() == {"standard/seed0": "KILLED", "sims/seed0": "KILLED"}


def _serves(cmdline: Path, parent: int) -> bool:
    try:
        words = cmdline.read_bytes().split(b"\0")
    except OSError:
        return False
    return b"flows.server.server" in words and str(parent).encode() in words


def _cached(project: Project, path: Path) -> Path:
    """DVC's copy of a file."""
    md5 = md5_of(path)
    return project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def _damage(path: Path) -> None:
    """Flip a bit, as a disk would: mode and length stay."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)

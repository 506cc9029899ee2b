"""`keep`: what nothing that is still to be made needs goes, and everything else goes on as if it had not."""

import os
import signal
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from conftest import Project, until

KEEP = "\nkeep: {networks: [last], samples: needed}\n"
GENERATIONS = 20
HEAVY = {".safetensors", ".npy"}


def tight(text: str) -> str:
    """The smoke experiment's SIMS arm for 20 generations, of which as little as possible is kept."""
    arms = [line for line in text.splitlines() if not line.startswith("  standard:")]
    return "\n".join(arms).replace("generations: 2", f"generations: {GENERATIONS}") + KEEP


def disk(folder: Path) -> int:
    """The bytes of the chains' networks and samples, those of DVC's cache included, each once however many names it has."""
    found = {}
    for path in [*(folder / "runs/smoke").rglob("*/seed0/g*/*"), *(folder / ".dvc/cache/files").rglob("*")]:
        try:
            with path.open("rb") as file:
                if file.read(10).startswith(b"\x93NUMPY") or (file.seek(8) and file.read(1) == b"{"):  # an array, safetensors
                    state = os.fstat(file.fileno())
                    found[state.st_ino] = state.st_size
        except (FileNotFoundError, IsADirectoryError):  # gone meanwhile
            continue
    return sum(found.values())


def heavy(project: Project) -> list[str]:
    """What is there of networks and samples, by generation and name."""
    found = (path for path in (project.folder / "runs/smoke/sims/seed0").rglob("*") if path.suffix in HEAVY)
    return sorted(f"{path.parent.name}/{path.name}" for path in found)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Project:
    """An undisturbed run that keeps as little as possible; tests must leave it as it is."""
    made, most, done = Project(tmp_path_factory.mktemp("kept") / "project", edit=tight), [0], Event()

    def watch() -> None:
        while not done.wait(0.02):
            most.append(disk(made.folder))

    watching = Thread(target=watch)
    watching.start()
    made.run("flows.cli", "run")
    done.set()
    watching.join()
    made.most = max(most)  # type: ignore[attr-defined]
    return made


def test_twenty_generations_take_the_disk_of_four(kept, finished):
    files = (finished.folder / "runs/smoke/sims/seed0/g002").glob("*")
    one = sum(path.stat().st_size for path in files if path.suffix in HEAVY)
    assert disk(kept.folder) < 2 * one
    assert one < kept.most <= 4 * one
    assert heavy(kept) == ["g020/auxiliary.safetensors", "g020/base.safetensors", "g020/synthetic.npy"]


def test_dvc_verify_and_status_are_right_about_what_is_left(kept, finished):
    whole = finished.locks()
    assert {name: lock for name, lock in kept.locks().items() if name in whole and "/sims/" in name} == {
        name: lock for name, lock in whole.items() if "/sims/" in name
    }
    assert "Data and pipelines are up to date." in kept.run("dvc", "status")
    assert "everything is up to date" in kept.run("flows.cli", "run")
    said = kept.run("flows.cli", "status")
    assert "let go" in said
    assert [int(word) for word in next(line for line in said.splitlines() if "sims/seed0  " in line).split()[1:4]] == [20, 0, 0]
    said = kept.run("flows.cli", "verify")
    assert "20 generations verified, 0 differences" in said
    assert "19 of them by their stored files alone" in said


def test_what_was_let_go_is_made_again_on_request_and_when_something_needs_it(kept, tmp_path):
    copy, former = kept.copy(tmp_path / "copy"), kept.locks()
    copy.run("flows.cli", "restore", "--arm", "sims", "--generation", "3")
    assert [name for name in heavy(copy) if "g020" not in name] == [
        f"g003/{name}" for name in ("auxiliary.safetensors", "base.safetensors", "drawn.npy", "synthetic.npy")
    ]
    assert {name for name, lock in copy.locks().items() if lock != former[name]} == {"dvc.lock"}  # the report's folder
    assert "Data and pipelines are up to date." in copy.run("dvc", "status")
    assert "2 generations" not in copy.run("flows.cli", "verify", "--generation", "3")
    (copy.folder / "runs/smoke/sims/seed0/g004/metrics.json").unlink()
    (copy.folder / "runs/smoke/sims/seed0/g004/dvc.lock").unlink()
    copy.run("flows.cli", "run")
    assert heavy(copy) == heavy(kept)
    assert copy.locks() == former


def test_a_run_killed_anywhere_ends_as_an_undisturbed_one(kept, project):
    killed = project("killed", edit=tight)
    for number, pause in ((2, 0.1), (11, 0.0)):
        run = killed.start("flows.cli", "run")
        until(lambda number=number: (killed.folder / f"runs/smoke/sims/seed0/g{number:03d}/dvc.lock").exists())
        time.sleep(pause)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    killed.run("flows.cli", "run")
    assert killed.locks() == kept.locks()
    assert heavy(killed) == heavy(kept)
    assert disk(killed.folder) == disk(kept.folder)


def test_dvc_repro_makes_a_chain_whole_again_that_has_become_stale(kept, tmp_path):
    copy = kept.copy(tmp_path / "copy")
    copy.edit(f"generations: {GENERATIONS}", "generations: 3")
    copy.edit("guidance: 1.0", "guidance: 0.9")
    assert "give the same command again" in copy.run("dvc", "repro", code=255)
    copy.run("dvc", "repro")
    assert {name[:4] for name in heavy(copy)} >= {"g001", "g002", "g003"}
    copy.run("flows.cli", "run")
    assert [name for name in heavy(copy) if name < "g004"] == [
        "g003/auxiliary.safetensors",
        "g003/base.safetensors",
        "g003/synthetic.npy",
    ]

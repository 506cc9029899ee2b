"""A run and a `dvc repro` in the same project at the same time, and folders that are not whole."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Project

from pipeline.experiment.chains import lengths
from pipeline.experiment.errors import RunFailed
from pipeline.experiment.params import load
from pipeline.making.preparation import prepare
from pipeline.records.repository import Versions

REFUSED = r"being worked on by process \d+|Unable to acquire lock"
"""Ours, and DVC's own."""
DISTANCES = 0.0, 0.7, 1.8, 3.3, 5.1, 0.3, 1.2, 2.5, 4.2, 6.0
"""In seconds; half a minute each, and so `make test` starts them at the first few, `make torture` at all of them."""
STARTS = int(os.environ.get("STARTS", "4"))


def both(here: Project, first: tuple[str, ...], second: tuple[str, ...], distance: float) -> tuple[str, str]:
    """What two commands say that are started one after the other; one may be refused, in a line with the other's number."""
    one = here.start(*first)
    time.sleep(distance)
    other = here.start(*second)
    said = []
    for process in (one, other):
        out, err = process.communicate(timeout=280)
        said.append(out + err)
        assert process.returncode == 0 or re.search(REFUSED, out + err), out + err
    assert 0 in (one.returncode, other.returncode), said
    return said[0], said[1]


@pytest.mark.parametrize("distance", DISTANCES[:STARTS])
def test_a_run_and_a_dvc_repro_at_once_harm_nothing(project, finished, distance):
    here = project(edit=lambda text: re.sub(r"\n  sims: .*", "", text))
    commands = (("dvc", "repro"), ("flows.cli", "run"))
    both(here, *(commands if DISTANCES.index(distance) % 2 else commands[::-1]), distance)
    made, wanted = ({path: md5 for path, md5 in each.bytes().items() if "/standard/" in path} for each in (here, finished))
    assert made == wanted
    assert here.run("dvc", "status").strip().endswith("Data and pipelines are up to date.")


def test_a_base_model_that_cannot_be_recorded_ends_the_run_and_is_not_taken_for_a_broken_one(finished_copy, monkeypatch):
    monkeypatch.chdir(finished_copy.folder)
    shutil.rmtree("runs/smoke/base")
    params = load(Path("params.yaml"))
    versions = Versions(params)

    @contextmanager
    def full(target: str) -> Iterator[None]:
        yield
        raise RunFailed(f"DVC: no room for {target}")

    monkeypatch.setattr(versions, "recording", full)
    with pytest.raises(RunFailed, match=r"DVC: no room for runs/smoke/dvc\.yaml:base-seed0"):
        prepare(versions, params, lengths(params))


def test_data_with_a_file_missing_cannot_be_recorded_and_are_made_whole_by_the_same_command(finished_copy, finished):
    here = finished_copy
    lacking = here.folder / "runs" / "smoke" / "data" / "real-seed0.npy"
    lacking.unlink()
    here.run("dvc", "commit", "--force", "runs/smoke/dvc.yaml:data-seed0", code=1)
    here.run("flows.cli", "run")
    assert lacking.read_bytes() == (finished.folder / "runs" / "smoke" / "data" / "real-seed0.npy").read_bytes()
    assert here.bytes() == finished.bytes()


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_into_the_cache_work_and_are_made_again_when_it_is_gone(finished_copy, finished, kind):
    here = finished_copy
    here.run("dvc", "config", "cache.type", kind)
    here.run("dvc", "checkout", "--relink")
    assert "everything is up to date" in here.run("flows.cli", "run")
    subprocess.run(["rm", "-rf", here.folder / ".dvc" / "cache"], check=True)
    here.run("flows.cli", "run")
    assert here.bytes() == finished.bytes()
    assert "everything is up to date" in here.run("flows.cli", "run")

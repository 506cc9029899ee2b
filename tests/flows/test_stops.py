"""Runs that are killed, stopped, or asked for while another one is at work."""

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import OWN_SERVER, ask, until


def test_a_run_killed_in_generation_3_goes_on_there_and_ends_with_the_same_hashes(finished_copy, longer):
    finished_copy.edit("generations: 2", "generations: 3")
    process = finished_copy.start("flows.cli", "run")
    third = finished_copy.folder / "runs/smoke/sims/seed0/g003.partial"
    until = time.monotonic() + 120
    while not third.exists():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    first = (finished_copy.folder / "runs/smoke/sims/seed0/g001/synthetic.npy").stat()
    output = finished_copy.run("flows.cli", "run")
    assert "sims/seed0           generation   3/3" in output
    assert "sims/seed0           generation   2/3" not in output
    assert (finished_copy.folder / "runs/smoke/sims/seed0/g001/synthetic.npy").stat().st_ino == first.st_ino
    assert finished_copy.locks() == longer.locks()


@pytest.mark.parametrize("stop", ["Ctrl-C", "SIGTERM", "prefect flow-run cancel"])
def test_a_run_that_is_stopped_ends_within_seconds_and_leaves_no_process(project, stop):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 99"))
    process = copy.start("flows.cli", "run", **(OWN_SERVER if stop == "Ctrl-C" else {}))
    for line in process.stderr:
        if "generation   2/99" in line:
            break
    assert f"is being worked on by process {process.pid}" in copy.run("flows.cli", "run", code=1)
    cancelled = stop == "prefect flow-run cancel"
    if cancelled:
        (run, *_) = ask(copy.server, "flow_runs/filter", '{"sort": "START_TIME_DESC"}')  # the newest
        copy.run("prefect", "flow-run", "cancel", run["id"])
    began = time.monotonic()
    if not cancelled:
        os.kill(process.pid, signal.SIGINT if stop == "Ctrl-C" else signal.SIGTERM)
    process.wait(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "the same command goes on" in process.stderr.read()
    time.sleep(1.5)
    assert not [line for line in Path("/proc").glob("[0-9]*/environ") if _works_in(line.parent, copy.folder)]
    assert set(copy.statuses().values()) == {"KILLED"}
    assert not list(copy.folder.glob("runs/**/*.partial"))
    if cancelled:
        (run, *_) = ask(copy.server, "flow_runs/filter", '{"sort": "START_TIME_DESC"}')
        assert run["state"]["type"] == "CANCELLED"


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").resolve() == folder.resolve() and process.name != str(os.getpid())
    except OSError:
        return False


def test_a_run_owns_its_chains_while_it_makes_base_models(project):
    copy = project(edit=lambda text: text.replace("steps: 200", "steps: 2000000", 1))
    process = copy.start("flows.cli", "run")
    try:
        until(lambda: list(copy.folder.glob("runs/smoke/data")), 60)
        began = time.monotonic()
        assert f"is being worked on by process {process.pid}" in copy.run("flows.cli", "run", code=1)
        assert time.monotonic() - began < 10
    finally:
        os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=10) == 130

"""Which processes of a run compute on which cores."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.pools import cores
from flows.pools.cores import Cores, placed
from pipeline.experiment.params import Params, load

TWO_THREADS = "import threading, sys; threading.Thread(target=sys.stdin.read).start(); print('ready', flush=True)"


def params(threads: int | str = 1) -> Params:
    smoke = load(Path("presets/smoke.yaml"))
    return smoke.model_copy(update={"engine": smoke.engine.model_copy(update={"threads": threads})})


@pytest.fixture
def processes() -> Iterator[list[int]]:
    """Three processes of two threads each."""
    begun = [subprocess.Popen([sys.executable, "-c", TWO_THREADS], stdin=-1, stdout=-1) for _ in range(3)]
    for each in begun:
        each.stdout.readline()
    yield [each.pid for each in begun]
    for each in begun:
        each.communicate()


def places_of(process: int) -> set[frozenset[int]]:
    """The cores that a process's threads may compute on."""
    return {frozenset(os.sched_getaffinity(int(thread))) for thread in os.listdir(f"/proc/{process}/task")}


@pytest.mark.parametrize(
    ("places", "threads", "deciding", "kept"),
    [(4, 1, 1, 1), (4, 1, 3, 3), (4, 2, 1, 2), (4, 1, 4, 0), (9, 1, 1, 0), (4, "auto", 1, 0), (1, 1, 1, 0)],
)
def test_the_cores_of_deciding_chains_are_kept_where_others_have_enough(monkeypatch, places, threads, deciding, kept):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert Cores(params(threads), places).others(deciding) == frozenset(range(kept, 8))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is for all")
def test_all_threads_keep_off_the_deciding_chains_cores_until_none_decides_alone(monkeypatch, processes):
    monkeypatch.setattr(cores, "SHORT_SECONDS", 0.0)
    everywhere = frozenset(os.sched_getaffinity(0))
    beside = everywhere - {min(everywhere)}
    longest, shorter, looking_on = processes
    count = len(everywhere)
    with placed(params(), count) as run:
        run.place([longest], [shorter, looking_on])
        assert [places_of(each) for each in processes] == [{everywhere}, {beside}, {beside}]
        run.place([None] * count, [shorter, looking_on])
        assert [places_of(each) for each in processes] == [{everywhere}] * 3
        run.place([shorter], [looking_on, longest, 2**22 + 1])  # and one that has ended
        assert [places_of(each) for each in processes] == [{beside}, {everywhere}, {beside}]
    assert [places_of(each) for each in processes] == [{everywhere}] * 3


def test_a_short_run_places_nothing(processes):
    with placed(params(), 2) as run:
        run.place(processes[:1], processes[1:])
    assert run.placed == set()

"""How chains are spread over cores and GPUs."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from prefect.futures import PrefectConcurrentFuture

from flows.engine import failure_of, has_ended
from flows.pools.process_pool import Slots, begin_worker
from pipeline.experiment import machine
from pipeline.experiment.errors import exit_code
from pipeline.experiment.params import load

ONE_IS_KILLED = """
import os, signal
from pathlib import Path
from prefect import flow, task
from prefect.logging import handlers
from flows.engine import failure_of
from flows.pools.process_pool import process_pool
from pipeline.experiment.params import load

@task
def speak(is_killed):
    if is_killed:
        queue = handlers._api_log_sink.args[0]
        assert queue._wlock.acquire()  # as if it were writing
        os.kill(os.getpid(), signal.SIGKILL)

@flow
def two():
    with process_pool(Path.cwd(), load(Path("params.yaml")), 2) as runner:
        ends = [runner.submit(speak, {"is_killed": is_killed}) for is_killed in (True, False)]
        print(*(failure_of("it", end) for end in ends), sep="\\n")

if __name__ == "__main__":
    two()
"""


@pytest.fixture
def slots() -> Iterator[Slots]:
    def begin(slot: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin_worker, (["2", "5"][slot],))

    pools = Slots(2, begin)
    yield pools
    pools.shutdown()


def test_every_worker_sees_a_gpu_of_its_own(slots):
    slowly = ["sh", "-c", "sleep 1; echo $CUDA_VISIBLE_DEVICES"]  # so that none takes both
    seen = [slots.submit(subprocess.check_output, slowly) for _ in range(2)]
    assert sorted(each.result() for each in seen) == [b"2\n", b"5\n"]


def test_a_worker_that_dies_takes_no_other_task_with_it_and_another_takes_its_place(slots):
    longer, dead = slots.submit(time.sleep, 2), slots.submit(os._exit, 9)
    assert isinstance(dead.exception(), BrokenProcessPool)
    assert slots.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == "5"
    assert longer.result() is None


def test_a_worker_that_is_killed_while_it_speaks_keeps_neither_the_others_nor_the_run_from_ending(project):
    copy = project()
    (copy.folder / "two.py").write_text(ONE_IS_KILLED)
    out, err = copy.start("two").communicate(timeout=60)
    assert out == "it: its process was killed, or ran out of memory\nNone\n", err
    assert "Timed out" not in err


def test_a_task_that_raises_a_timeout_has_ended():
    ended, at_work = (PrefectConcurrentFuture(uuid4(), Future()) for _ in range(2))
    ended.wrapped_future.set_exception(TimeoutError("no answer"))
    assert has_ended(ended)
    assert failure_of("it", ended) == "it: TimeoutError: no answer"
    assert not has_ended(at_work)


@pytest.mark.parametrize(
    ("preset", "device", "visible", "found", "expected"),
    [
        ("fashion", "auto", None, 2, ["0", "1"]),
        ("digits", "auto", None, 2, ["0", "1"]),
        ("smoke", "auto", None, 2, []),  # so small a network is faster on the CPU
        ("smoke", "cuda", "3,5", 2, ["3", "5"]),
        ("smoke", "cuda:1", None, 2, []),
        ("fashion", "cpu", None, 2, []),
        ("fashion", "auto", "", 0, []),
    ],
)
def test_chains_are_spread_over_the_visible_gpus(monkeypatch, preset, device, visible, found, expected):
    params = load(Path(f"presets/{preset}.yaml")).model_copy(update={"device": device})
    monkeypatch.setattr("torch.cuda.is_available", lambda: found > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.device_pool(params) == expected
    on_gpu = device.startswith("cuda") or bool(expected)
    assert machine.device_of(params).type == ("cuda" if on_gpu else "cpu")
    assert machine.workers(params) == (len(expected) or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("workers", "threads", "expected"),
    [
        ("auto", 1, (8, 1)),
        ("auto", 4, (2, 4)),
        (2, "auto", (2, 4)),
        ("auto", "auto", (8, 1)),
        (3, "auto", (3, 2)),
        (99, "auto", (99, 1)),
    ],
)
def test_cores_are_divided_among_the_chains_that_run_at_once(monkeypatch, workers, threads, expected):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    params = load(Path("presets/smoke.yaml"))
    params = params.model_copy(update={"engine": params.engine.model_copy(update={"workers": workers, "threads": threads})})
    assert (machine.workers(params), machine.threads(params)) == expected


def test_too_little_memory_is_one_line_that_says_what_takes_less(capsys: pytest.CaptureFixture[str]) -> None:
    def too_large() -> None:
        torch.empty(10**15)

    assert exit_code(too_large) == 1
    said = capsys.readouterr().err
    assert said.startswith("failed: not enough memory; a smaller batch, microbatch, block of samples,")
    assert said.count("\n") == 1
    future = PrefectConcurrentFuture(uuid4(), Future())
    try:
        too_large()
    except RuntimeError as error:
        future.wrapped_future.set_exception(error)
    assert str(failure_of("sims/seed0", future)).startswith("sims/seed0: not enough memory; ")

"""How chains are spread over cores and GPUs."""

import multiprocessing
import os
from pathlib import Path

import pytest

from flows.process_pool import take_device
from pipeline import machine
from pipeline.params import load


def test_workers_take_the_gpus_in_turn(monkeypatch):
    started = multiprocessing.get_context("spawn").Value("i", 0)
    taken = []
    for _ in range(3):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "unset")
        take_device(["2", "5"], started)
        taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == ["2", "5", "2"]


@pytest.mark.parametrize(
    ("device", "visible", "found", "expected"),
    [
        ("auto", None, 2, ["0", "1"]),
        ("cuda", "3,5", 2, ["3", "5"]),
        ("cuda:1", None, 2, []),
        ("cpu", None, 2, []),
        ("auto", "", 0, []),
    ],
)
def test_chains_are_spread_over_the_visible_gpus(monkeypatch, device, visible, found, expected):
    params = load(Path("presets/smoke.yaml")).model_copy(update={"device": device})
    monkeypatch.setattr("torch.cuda.is_available", lambda: found > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.device_pool(params) == expected
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

"""How worker processes are started: forked from one that has imported what they need, which begins to do so early in a run."""

import multiprocessing
import os
import sys
from multiprocessing.forkserver import ensure_running

from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params


def start_method(params: Params) -> str:
    """The way of `multiprocessing`: a fork on the CPU; CUDA does not survive one."""
    return "spawn" if device_of(params).type == "cuda" else "forkserver"


def preload(params: Params) -> None:
    """Begin to import what workers will need; returns at once. Without it each would import it by itself."""
    if params.engine.kind == "processes" and start_method(params) == "forkserver":
        multiprocessing.set_forkserver_preload(["flows.pools.preloaded"])
        former = dict(os.environ)
        os.environ |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(sys.path)}  # it must find the same code as this one
        ensure_running()
        os.environ.clear()
        os.environ.update(former)

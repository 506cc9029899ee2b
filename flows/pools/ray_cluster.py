"""A Ray cluster: one that is there, or one of this machine for the time of a run. Knows nothing of Prefect."""

import importlib.util
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from pipeline.experiment.errors import BadInput
from pipeline.experiment.machine import cores_of_chain
from pipeline.experiment.params import Params

ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_enable_metrics_collection": "0"}
"""Read by Ray where its processes start. Metrics, when sent for the last time, can delay an end by ten seconds."""


def check_cluster(params: Params) -> None:
    """Raise BadInput where Ray is not installed, its cluster does not answer, or no node of it has what a chain needs."""
    if not all(map(importlib.util.find_spec, ("ray", "prefect_ray"))):
        raise BadInput("engine.kind: 'ray' needs the extra: pip install 'self-consuming[ray]'")
    address = params.engine.address or "local"
    if address == "local":
        import torch

        _check_needs(params, [{"GPU": torch.cuda.device_count(), "CPU": os.cpu_count() or 1}])
    else:
        address = _answering(address)
        if params.engine.gpus_per_chain or cores_of_chain(params) > 1:
            with joined(params, {}):
                pass


@contextmanager
def joined(params: Params, variables: dict[str, str]) -> Iterator[None]:
    """Connected to the cluster of params.yaml for the time of the block; its tasks get the variables in their environment.

    Leaving it ends our tasks, and the cluster where it is our own. Raises BadInput where chains could never start there.
    """
    os.environ |= ENVIRONMENT
    import ray

    address = params.engine.address or "local"
    with redirect_stdout(sys.stderr), _connected(ray, address, variables):
        nodes = [node for node in ray.nodes() if node["Alive"]]
        _check_needs(params, [node["Resources"] for node in nodes])
        api = os.environ.get("PREFECT_API_URL", "")
        if urlsplit(api).hostname in ("127.0.0.1", "localhost") and len({node["NodeManagerAddress"] for node in nodes}) > 1:
            raise BadInput(
                f"PREFECT_API_URL: {api!r} is not reached from the cluster's other nodes: prefect server start --host 0.0.0.0"
            )
        yield


def _check_needs(params: Params, nodes: list[dict[str, float]]) -> None:
    """Raise BadInput where no node has enough for a chain."""
    needs = (
        ("gpus_per_chain", params.engine.gpus_per_chain or 0.0, "GPU"),
        ("threads", cores_of_chain(params), "CPU"),
    )
    for key, wanted, resource in needs:
        most = max((node.get(resource, 0.0) for node in nodes), default=0.0)
        if wanted > most:
            raise BadInput(f"engine.{key}: {wanted:g} is not allowed: no node of the cluster has more than {most:g}")


@contextmanager
def _connected(ray: Any, address: str, variables: dict[str, str]) -> Iterator[None]:
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
    ours, before = address == "local", _children()
    about: dict[str, Any] = {"namespace": "prefect", "log_to_driver": False, "logging_level": "error"}
    about |= {"include_dashboard": False} if ours else {}
    try:
        ray.init(address=address if ours else _answering(address), runtime_env={"env_vars": variables}, **about)
        for sign, handler in handlers.items():  # Ray has put its own there, which would just exit
            signal.signal(sign, handler)
        yield
    finally:
        started = _children() - before if ours else set()
        for process in started:
            with suppress(psutil.Error):
                if "monitor.py" in " ".join(process.cmdline()):  # deaf to SIGTERM: Ray would wait a second for it
                    process.kill()
        ray.shutdown()
        for process in psutil.wait_procs(started, timeout=1)[1]:
            process.kill()


def _answering(address: str) -> str:
    """The cluster's HOST:PORT, where something answers: Ray itself would try for minutes, deaf to signals. Raises BadInput."""
    if address == "auto":
        current = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray" / "ray_current_cluster"
        address = os.environ.get("RAY_ADDRESS") or (current.read_text().strip() if current.exists() else "")
        if not address:
            raise BadInput("engine.address: 'auto' finds no Ray cluster here: ray start --head, or set RAY_ADDRESS=HOST:PORT")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, ValueError) as error:
        raise BadInput(f"engine.address: no Ray cluster answers at {address!r} ({error})") from None
    return address


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))

"""Chains as Ray tasks, through `prefect-ray`: on a cluster that is there, or on one of this machine for the time of a run.

The nodes share the project's folder and reach the Prefect server.
"""

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
from prefect.settings import get_current_settings
from prefect.task_runners import TaskRunner

from pipeline.errors import BadInput
from pipeline.machine import threads
from pipeline.params import Params

ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_enable_metrics_collection": "0"}
"""Read by Ray where its processes start. Metrics, when sent for the last time, can delay an end by ten seconds."""


@contextmanager
def ray_pool(root: Path, params: Params, size: int) -> Iterator[TaskRunner[Any]]:
    """The cluster that params.yaml names; Ray itself decides how many of the chains run at once. Raises BadInput."""
    os.environ |= ENVIRONMENT
    try:
        import ray
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
    except ImportError:
        raise BadInput("engine.kind: 'ray' needs the extra: pip install 'self-consuming[ray]'") from None
    engine = params.engine
    with redirect_stdout(sys.stderr), _cluster(ray, engine.address or "local", _variables(root)):
        _check(ray, engine.gpus_per_chain or 0.0, threads(params))
        options = {"num_cpus": threads(params), "num_gpus": engine.gpus_per_chain or 0.0, "max_retries": 0}
        with RayTaskRunner() as runner, remote_options(**options):
            yield runner


@contextmanager
def _cluster(ray: Any, address: str, variables: dict[str, str]) -> Iterator[None]:
    """Connected to a cluster for the time of the block. Leaving it ends our tasks, and the cluster where it is our own."""
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


def _check(ray: Any, gpus: float, cores: int) -> None:
    """Raise BadInput where chains could never start: no node has enough, or not every node reaches the Prefect server."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    for key, wanted, resource in (("gpus_per_chain", gpus, "GPU"), ("threads", cores, "CPU")):
        most = max((node["Resources"].get(resource, 0.0) for node in nodes), default=0.0)
        if wanted > most:
            raise BadInput(f"engine.{key}: {wanted:g} is not allowed: no node of the cluster has more than {most:g}")
    api = os.environ.get("PREFECT_API_URL", "")
    if urlsplit(api).hostname in ("127.0.0.1", "localhost") and len({node["NodeManagerAddress"] for node in nodes}) > 1:
        raise BadInput(
            f"PREFECT_API_URL: {api!r} is not reached from the cluster's other nodes: prefect server start --host 0.0.0.0"
        )


def _variables(root: Path) -> dict[str, str]:
    """The environment of the tasks: where the program is, and Prefect's settings."""
    passed = {name: os.environ[name] for name in ("NO_PROXY", "DO_NOT_TRACK") if name in os.environ}
    return passed | get_current_settings().to_environment_variables(exclude_unset=True) | {"PYTHONPATH": str(root)}


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))

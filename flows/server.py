"""The Prefect server: the configured one if it answers, otherwise one of our own for the time of a run."""

import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from flows.processes import end_with
from pipeline.errors import BadInput, RunFailed

LOG = Path(".prefect/server.log")
START_SECONDS = 180
QUIET = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_LOGGING_TO_API_ENABLED": "false", "DO_NOT_TRACK": "1"}
"""For runs in a terminal: our own lines say what happens, and nothing is left to send when the server ends."""


def configured_api() -> str:
    """The API URL of the environment or of prefect.toml. Prefect itself would read its settings once and for all."""
    return os.environ.get("PREFECT_API_URL") or str(tomllib.loads(Path("prefect.toml").read_text("utf-8"))["api"]["url"])


def port_of(api: str) -> int:
    """The port of an API URL on this machine; raises BadInput where we could not start a server for it."""
    parts = urlsplit(api)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        raise BadInput(
            f"PREFECT_API_URL: {api!r} does not answer, and a server can only be started at http://127.0.0.1:PORT/api"
        )
    return parts.port


def answers(api: str) -> bool:
    """Whether a Prefect API answers at the URL."""
    try:
        with urlopen(f"{api}/health", timeout=3) as response:
            return bool(response.status == 200)
    except (URLError, OSError, ValueError):
        return False


@contextmanager
def reachable() -> Iterator[str]:
    """The API URL of the configured server if it answers, otherwise of one of our own that ends with the block.

    The own one may still be starting: see `wait`. PREFECT_API_URL is set for this process and its children, so Prefect must not
    have been imported yet.
    """
    configured = configured_api()
    if answers(configured):
        yield configured
        return
    with own_server(pages=False) as api:
        os.environ["PREFECT_API_URL"] = api
        yield api


@contextmanager
def own_server(port: int | None = None, pages: bool = True) -> Iterator[str]:
    """A Prefect server as a child process; gives its API URL at once (see `wait`) and ends it afterwards.

    Without its pages it starts sooner.
    """
    port = port or _free_port()
    api = f"http://127.0.0.1:{port}/api"
    LOG.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "flows.server", str(port), str(os.getpid())]
    with LOG.open("ab") as log:
        environment = os.environ | QUIET | {"PREFECT_API_URL": api, "PREFECT_UI_ENABLED": str(pages).lower()}
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield api
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()


def wait(api: str) -> None:
    """Wait until the API answers; raises RunFailed when it does not."""
    until = time.monotonic() + START_SECONDS
    while not answers(api):
        if time.monotonic() > until:
            raise RunFailed(f"the Prefect server did not answer at {api} within {START_SECONDS} s; see {LOG}")
        time.sleep(0.1)


def _serve(port: int, parent: int) -> None:
    """`prefect server start` in this process, which ends with its parent, even by kill -9."""
    end_with(parent)
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    app()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))

"""The Prefect server: the configured one if it answers, otherwise one of our own for the time of a run."""

import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from flows.processes import collect_rarely, yield_to_other_sessions
from flows.server.credentials import GIVEN, check_credentials
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.making.orphans import end_with
from pipeline.storage.databases import begin_with_template
from pipeline.storage.loopback import DIRECTLY

LOG = Path(".prefect/server.log")
START_SECONDS = 180
QUIET = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
"""For runs in a terminal: our own lines say what happens, and nothing is left to send when the server ends."""
SERVICES = "CANCELLATION_CLEANUP", "EVENT_PERSISTER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "SCHEDULER", "TRIGGERS"
WITHOUT_PAGES = {
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    **{f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in SERVICES},
}
"""For a server that lives as long as one run: nobody looks at it, schedules by it or has automations there, and what it records
of tasks may come in batches, every five seconds."""


@dataclass(frozen=True)
class Server:
    """A Prefect API's URL, and its process where it is one of our own."""

    api: str
    process: subprocess.Popen[bytes] | None = None


_in_use: Server | None = None


def configured_api() -> str:
    """The API URL of the environment or of prefect.toml. Prefect itself would read its settings once and for all."""
    given = os.environ.get("PREFECT_API_URL")
    try:
        return (given or str(tomllib.loads(Path("prefect.toml").read_text("utf-8"))["api"]["url"])).rstrip("/")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"prefect.toml: [api] url cannot be read ({error}); it names the Prefect server") from None


def port_of(api: str) -> int:
    """The port of an API URL on this machine; raises BadInput where we could not start a server for it."""
    try:
        parts = urlsplit(api)
        port = parts.port if parts.hostname in ("127.0.0.1", "localhost") else None
    except ValueError:
        port = None
    if port is None:
        raise BadInput(
            f"PREFECT_API_URL: {api!r} does not answer, and a server can only be started at http://127.0.0.1:PORT/api"
        )
    return port


def answers(api: str) -> bool:
    """Whether a Prefect API answers at the URL."""
    try:
        with DIRECTLY.open(f"{api}/health", timeout=3) as response:
            return bool(response.status == 200)
    except (HTTPException, OSError, ValueError):
        return False


@contextmanager
def reachable() -> Iterator[Server]:
    """The configured server if it answers, otherwise one of our own that ends with the block.

    The own one may still be starting: see `wait`. PREFECT_API_URL is set for this process and its children, so Prefect must not
    have been imported yet.
    """
    global _in_use
    configured = configured_api()
    if answers(configured):
        check_credentials(configured)
        yield Server(configured)
        return
    if "PREFECT_API_URL" in os.environ:
        print(f"PREFECT_API_URL, {configured}, does not answer: this run has a server of its own", file=sys.stderr)
    with own_server(pages=False) as server:
        os.environ["PREFECT_API_URL"] = server.api
        _in_use = server
        yield server


@contextmanager
def own_server(port: int | None = None, pages: bool = True) -> Iterator[Server]:
    """A Prefect server as a child process; given at once (see `wait`) and ended afterwards.

    Without its pages, and what serves them, it starts sooner and costs less.
    """
    port = port or _free_port()
    api = f"http://127.0.0.1:{port}/api"
    LOG.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "flows.server.server", str(port), str(os.getpid())]
    with LOG.open("ab") as log:
        environment = os.environ | QUIET | {"PREFECT_API_URL": api} | ({} if pages else WITHOUT_PAGES)
        if wanted := environment.get("PREFECT_SERVER_API_AUTH_STRING"):
            os.environ.setdefault(GIVEN, wanted)
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield Server(api, child)
    finally:
        child.terminate()
        try:
            child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            child.kill()


def wait(server: Server) -> None:
    """Wait until the server answers; raises RunFailed when it does not."""
    until = time.monotonic() + START_SECONDS
    while not answers(server.api):
        if server.process is not None and server.process.poll() is not None:
            raise RunFailed(f"the Prefect server ended as it started (exit code {server.process.returncode}); see {LOG}")
        if time.monotonic() > until:
            raise RunFailed(f"the Prefect server did not answer at {server.api} within {START_SECONDS} s; see {LOG}")
        time.sleep(0.1)


def in_use() -> Server:
    """The server of this run: that of `reachable`, or in a deployment's run the one that it is told of."""
    return _in_use or Server(configured_api())


def _serve(port: int, parent: int) -> None:
    """`prefect server start` in this process, which ends with its parent, even by kill -9."""
    end_with(parent)
    collect_rarely()
    yield_to_other_sessions()
    from prefect.cli import app
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    database, url = settings.home / "prefect.db", settings.server.database.connection_url
    if url is not None and url.get_secret_value() == f"sqlite+aiosqlite:///{database}":
        begin_with_template("prefect", database)
    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    app()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))

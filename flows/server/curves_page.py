"""MLflow's pages for the project's store: `self-consuming ui`."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.experiment.params import load
from pipeline.storage.databases import sqlite_url
from pipeline.storage.layout import PARAMS
from pipeline.storage.loopback import DIRECTLY
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.overview import Overview
from pipeline.views.mlflow.store import LOCAL_PAGES, OWN, public, store_uri, written

START_SECONDS = 120.0
LAST_PORT = 65535


def show_curves(port: int) -> None:
    """Print where the curves of params.yaml's experiment are, and serve MLflow's pages there until they are stopped.

    A tracking server has pages of its own: then the address is all. Raises BadInput for a port that is none or taken, and
    RunFailed where MLflow's store cannot be used.
    """
    if not 0 < port <= LAST_PORT:
        raise BadInput(f"--port: {port} is not allowed: it must be from 1 to {LAST_PORT}")
    params = load(Path(PARAMS))
    with written():
        address = Overview(store_of(params), params).address()
    if store_uri().startswith("http"):
        print(address)
        return
    if not _is_free(port):
        raise BadInput(f"--port: {port} is not allowed: something answers there already")
    here = f"http://127.0.0.1:{port}"
    place = f"sqlite:///{OWN}" if store_uri() == sqlite_url(OWN) else store_uri()  # this process's folder, wherever it is moved
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", place, "--port", str(port), "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            _wait(server, here)
            print(f"curves   {(address or here).replace(LOCAL_PAGES, here)}\nCtrl-C ends this server", flush=True)
            server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.terminate()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _wait(server: "subprocess.Popen[bytes]", here: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            said = server.stderr.read().decode(errors="replace").strip() if server.stderr else ""
            raise RunFailed(f"MLflow's server for {public(store_uri())} ended as it started: {said[-300:]}")
        try:
            DIRECTLY.open(f"{here}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RunFailed(f"MLflow's server did not answer at {here} within {START_SECONDS:.0f} s")

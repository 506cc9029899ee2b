"""`prefect flow-run cancel` for runs in a terminal: no runner of Prefect's ends those, so they look for themselves."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from prefect import Flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled

from flows.processes import WATCH_SECONDS
from flows.server.server import in_use

_cancelled: set[UUID] = set()
"""The runs of this process that were, by their ids."""


@contextmanager
def cancellable() -> Iterator[None]:
    """Interrupt this process when its flow run is cancelled in the block, as Ctrl-C would.

    Not where Prefect's runner does so, as it does for deployments, nor on a server of the run's own, which nobody asks.
    """
    if runtime.deployment.id or in_use().process:
        yield
        return
    run, left = UUID(runtime.flow_run.id), threading.Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not left.wait(WATCH_SECONDS):
                with suppress(Exception):  # the server does not answer, which `flows.server.outage` sees to
                    state = client.read_flow_run(run).state
                    if state and (state.is_cancelling() or state.is_cancelled()):
                        _cancelled.add(run)
                        os.kill(os.getpid(), signal.SIGINT)
                        return

    threading.Thread(target=watch, name="cancellation", daemon=True).start()
    try:
        yield
    finally:
        left.set()


def stay_cancelled(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """A hook for crashed runs, as which Prefect takes interrupted ones: one that was cancelled is called so."""
    if flow_run.id in _cancelled:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelled(), force=True)

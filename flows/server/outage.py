"""A Prefect server that goes away in a run: chains finish the generation that they are making, and then the run ends."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.processes import WATCH_SECONDS, end_at_once
from flows.server.server import Server, answers
from pipeline.experiment.errors import GOES_ON
from pipeline.storage.layout import HALT
from pipeline.storage.ownership import owner

PATIENCE_SECONDS = 120.0
"""How long a server that is not our own may be away: long enough to be started again."""
LAST_SECONDS = 10.0
"""How long a run may take to record what its chains have made last: Prefect's client would try for minutes."""


@contextmanager
def watched(server: Server, chains: Iterable[Path]) -> Iterator[threading.Event]:
    """Tell the chains (their folders) to halt when the server goes away in the block; gives what is set then.

    An own server is watched by its process alone; asking it would cost its time.
    """
    folders = list(chains)
    for folder in folders:
        (folder / HALT).unlink(missing_ok=True)
    left, lost = threading.Event(), threading.Event()

    def watch() -> None:
        away = 0.0
        while away < PATIENCE_SECONDS and (server.process is None or server.process.poll() is None):
            if left.wait(WATCH_SECONDS):
                return
            away = 0.0 if server.process or answers(server.api) else away + WATCH_SECONDS
        for folder in folders:
            (folder / HALT).touch()
        lost.set()
        while any(map(owner, folders)):
            if left.wait(WATCH_SECONDS):
                return
        if not left.wait(LAST_SECONDS):
            end_without(server)

    threading.Thread(target=watch, name="outage", daemon=True).start()
    try:
        yield lost
    finally:
        left.set()


def halted(chain: Path) -> bool:
    """Whether a chain must not begin another generation."""
    return (chain / HALT).exists()


def end_without(server: Server) -> None:
    """End this process, and say why and how to go on."""
    end_at_once(1, f"failed: the Prefect server at {server.api} is gone; {GOES_ON}")

"""How runs are shown without costing them much: what may fail, how often it is done, and what it took."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pipeline.experiment.errors import in_a_line
from pipeline.storage.clock import note

T = TypeVar("T")
log = logging.getLogger("self-consuming")
UPDATE_SECONDS = 10.0
SHARE_OF_TIME = 0.004
"""At most what showing chains, once it has begun, may take of the time of a run."""


def pause(seconds: float, places: int) -> float:
    """How long nothing is shown of a chain after showing it took so many seconds, where `places` chains run at once."""
    return max(UPDATE_SECONDS, seconds * places / SHARE_OF_TIME)


def attempt(act: Callable[[], T]) -> T | None:
    """Show something on Prefect's page; a page that lacks something is no reason to end a run."""
    try:
        return act()
    except Exception as error:
        log.warning("Prefect's page lacks something (%s)", in_a_line(error))
        return None


@contextmanager
def counted(folder: Path, **where: int) -> Iterator[None]:
    """Note the processor time that the block took of this process, as time of tracking."""
    began, used = time.time(), time.process_time()
    yield
    note(folder, "track", began, time.process_time() - used, **where)

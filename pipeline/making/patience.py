"""A full disk, or a mount that is lost for a while: waited for where `engine.on_full` says so."""

import errno
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.experiment.params import Params

log = logging.getLogger("self-consuming")
WAITED_FOR = {errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT}
LOOK_SECONDS = 10.0
ROOM = 100 * 2**20
"""So many bytes must be free, at least, and twice what the chain's largest generation has."""


def patiently(params: Params, folder: Path, act: Callable[[], None]) -> None:
    """Do what writes into a folder; where the disk fails and params.yaml says wait, again once there is room."""
    while True:
        try:
            return act()
        except Exception as error:
            fault = fault_of(error)
            if params.engine.on_full != "wait" or fault is None:
                raise
            log.warning("%s: waiting until there is room, and going on then (engine.on_full)", fault)
        while not has_room(folder):
            time.sleep(LOOK_SECONDS)


def fault_of(error: BaseException | None) -> OSError | None:
    """The disk's fault behind an error, whatever library has wrapped it; None where it is another's."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in WAITED_FOR:
            return error
        error = error.__cause__ or error.__context__
    return None


def has_room(folder: Path) -> bool:
    """Whether the folder is there and its disk has room for what a generation takes, as far as the one there tells."""
    try:
        largest = max((sum(file.stat().st_size for file in each.glob("*")) for each in folder.glob("g*")), default=0)
        return shutil.disk_usage(folder).free > max(ROOM, 2 * largest)
    except OSError:
        return False

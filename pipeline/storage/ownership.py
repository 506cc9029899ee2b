"""Folders that one process owns at a time, by locks that die with their owner."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.experiment.errors import RunFailed
from pipeline.storage.layout import OWNER

KERNEL_LOCKS = Path("/proc/locks")


@contextmanager
def owned(folder: Path, wait: bool = False, name: str = OWNER, nameless: bool = False) -> Iterator[None]:
    """The folder for this process alone, until the block ends or the process dies in whatever way.

    Raises RunFailed, which names the other process, where it has an owner already; with `wait`, waits for it instead. `name` is
    the lock's file: a run owns its chains by another one than the process that works on one. A `nameless` owner, for a moment,
    leaves the name of the last one there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read().strip() or "unknown"
            raise RunFailed(worked_on(folder, other)) from None
        if not nameless:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def worked_on(folder: Path, process: object) -> str:
    """What is said to the second who wants to work on something."""
    return f"{folder} is being worked on by process {process}: wait for it, or stop it"


def owner(folder: Path, name: str = OWNER) -> int | None:
    """The process of this machine that owns the folder; asked of the kernel, since trying the lock could refuse it.

    The kernel names a lock by its inode, which other file systems may have, too: so the process that the file names must be it.
    """
    try:
        inode, said = (folder / name).stat().st_ino, (folder / name).read_text(encoding="utf-8").strip()
        locks = KERNEL_LOCKS.read_text(encoding="utf-8")
    except OSError:
        return None
    rows = [line.split() for line in locks.splitlines() if " FLOCK " in line and f":{inode} " in line]
    return int(said) if said in [row[4] for row in rows if row[1] == "FLOCK"] else None

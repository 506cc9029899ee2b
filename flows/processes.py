"""The life of the processes that a run starts."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from pipeline.errors import STOPPED, STOPPED_CODE

WATCH_SECONDS = 1.0
ORDERLY_SECONDS = 3.0
"""How long a stopped run may take to say goodbye to Prefect and MLflow."""
SHOW_CURSOR = "\x1b[?25h"
"""What a terminal is told when a display ends that had hidden it."""
AUTOGROUP = Path("/proc/self/autogroup")
THREADS = Path("/proc/self/task")
"""Linux weighs every thread by itself."""
YIELDING = 15
"""How nice (man 2 nice) a process is that looks on while others compute."""


def yield_to_others(niceness: int = YIELDING) -> None:
    """Let others go first from now on: what this process's threads do can wait. Children would inherit it."""
    for thread in map(int, os.listdir(THREADS)) if THREADS.exists() else [0]:
        with suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, thread, max(niceness, os.getpriority(os.PRIO_PROCESS, thread)))


def yield_to_other_sessions() -> None:
    """The same for all of this process's session: Linux weighs sessions before processes (man 7 sched, "autogroup")."""
    yield_to_others()
    with suppress(OSError):  # there is none, or none to be set
        AUTOGROUP.write_text(str(YIELDING))


def end_with(parent: int) -> None:
    """End this process soon after its parent (a process id) is gone, even by kill -9: no child outlives its run."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def end_with_parent() -> None:
    """The same for a process of `multiprocessing`, whose starter need not be its parent in the system's eyes."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def end_at_once(code: int, message: str) -> NoReturn:
    """End this process and its children without ado, from whatever thread: generations are transactions, none is lost."""
    stderr = sys.stderr.fileno()
    shown = SHOW_CURSOR if os.isatty(stderr) else ""
    os.write(stderr, f"{shown}{message}\n".encode())  # not print: a signal may have come in the middle of one
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(code)


def stop_by_signals() -> None:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt in the main thread, also in a shell's background job.

    An exception that comes at any moment may be swallowed, or leave a library's lock locked; so the process ends at once when
    it has not ended in order after ORDERLY_SECONDS, or when the signal comes a second time.
    """
    told = threading.Event()

    def stop(sign: int, frame: FrameType | None) -> None:
        if told.is_set():
            end_at_once(STOPPED_CODE, STOPPED)
        told.set()
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)  # no longer the last to get its turn
        last = threading.Timer(ORDERLY_SECONDS, end_at_once, (STOPPED_CODE, STOPPED))
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, stop)

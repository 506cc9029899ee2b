"""The life of the processes that a run starts."""

import atexit
import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from pipeline.experiment.errors import STOPPED, STOPPED_CODE

WATCH_SECONDS = 1.0
ORDERLY_SECONDS = 3.0
"""How long a stopped run may take to say goodbye to Prefect and MLflow."""
STOP = "stop"
"""The name of the thread that ends a stopped process."""
STOPPING = threading.Event()
"""Set once this process is to stop, before its workers are killed: what becomes of them then is no failure."""
SHOW_CURSOR = "\x1b[?25h"
"""What a terminal is told when a display ends that had hidden it."""
AUTOGROUP = Path("/proc/self/autogroup")
THREADS = Path("/proc/self/task")
"""Linux weighs every thread by itself."""
NEW_OBJECTS = 50_000
"""After how many of them Python looks for dead ones; 700 by default."""
YIELDING = 10
"""How nice (man 2 nice) a process is that looks on while others compute."""


def yield_to_others(niceness: int = YIELDING) -> None:
    """Let others go first from now on: what this process's threads do can wait, but for the one that sees to its end.

    Children would inherit it.
    """
    spared = {thread.native_id for thread in threading.enumerate() if thread.name == STOP}
    threads = map(int, os.listdir(THREADS)) if THREADS.exists() else [0]
    for thread in set(threads) - spared:
        with suppress(OSError):  # it has ended, or would have to be less nice, which only root may
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


def yield_to_other_sessions() -> None:
    """The same for all of this process's session: Linux weighs sessions before processes (man 7 sched, "autogroup")."""
    yield_to_others()
    with suppress(OSError):  # there is none, or none to be set
        AUTOGROUP.write_text(str(YIELDING))


def collect_rarely() -> None:
    """Let Python look for cycles of dead objects seldom, and not at all at this process's end.

    Imports, Prefect and MLflow make objects by the ten thousand that stay. Looking through them again and again takes a third
    of an import's time, and a second or two at the end.
    """
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)


def end_with_parent() -> None:
    """End this process of `multiprocessing` soon after its starter, which need not be its parent in the system's eyes."""
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
    with suppress(OSError):  # the terminal is gone
        os.write(stderr, f"{shown}{message}\n".encode())  # not print: a signal may have come in the middle of one
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(code)


def say_stopped(*_: Any, **__: Any) -> None:
    """Say how to go on after `prefect flow-run cancel`; called by Prefect's runner, since the run itself is gone."""
    print(STOPPED, file=sys.stderr, flush=True)


def stop_by_signals(last_words: str = STOPPED) -> None:
    """Let SIGINT, SIGTERM and a closed terminal raise KeyboardInterrupt in the main thread, also in a shell's background job.

    An exception that comes at any moment may be swallowed, or leave a library's lock locked, and it comes late where the main
    thread is in compiled code. So the process ends at once, with `last_words`, when it has not ended in order after
    ORDERLY_SECONDS, or when the signal comes a second time. A thread sees to it, which the interpreter tells of signals
    wherever the main thread is.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    stops, by_handler = [signal.SIGINT, signal.SIGTERM], 0
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        stops.append(signal.SIGHUP)

    def stop(sign: int, frame: FrameType | None) -> None:
        told.send(bytes([by_handler]))  # a library may have taken the interpreter's way of telling for itself
        raise KeyboardInterrupt

    def see_to_it() -> None:
        times: Counter[bool] = Counter()
        end = None
        while end is None or (time.monotonic() < end and max(times.values()) < 2):
            heard.settimeout(end and max(0.001, end - time.monotonic()))
            with suppress(TimeoutError):
                said = heard.recv(1)
                if not said:  # another call has taken over
                    return
                if said[0] in (by_handler, *stops):
                    times[said[0] == by_handler] += 1
                    end = end or time.monotonic() + ORDERLY_SECONDS
                    STOPPING.set()
                    for worker in multiprocessing.active_children():  # others may come first as long as they compute
                        worker.kill()
        end_at_once(STOPPED_CODE, last_words)

    threading.Thread(target=see_to_it, name=STOP, daemon=True).start()
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for sign in stops:
        signal.signal(sign, stop)

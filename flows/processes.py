"""The life of the processes that a run starts."""

import os
import threading
import time

WATCH_SECONDS = 1.0
YIELDING = 15
"""How nice (man 2 nice) a process is that looks on while others compute."""


def yield_to_others() -> None:
    """Let computing processes go first from now on: what this one does can wait. Children would inherit it."""
    os.setpriority(os.PRIO_PROCESS, 0, max(YIELDING, os.getpriority(os.PRIO_PROCESS, 0)))


def end_with(parent: int) -> None:
    """End this process soon after its parent (a process id) is gone, even by kill -9: no child outlives its run."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()

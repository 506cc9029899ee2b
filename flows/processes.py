"""The life of the processes that a run starts."""

import os
import threading
import time

WATCH_SECONDS = 1.0


def end_with_parent() -> None:
    """End this process soon after its parent is gone, even by kill -9: no chain outlives its run."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()

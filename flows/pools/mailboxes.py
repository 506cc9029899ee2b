"""What worker processes say to Prefect, each through a queue of its own."""

import time
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from threading import Thread
from typing import Any

LAST_WORDS_SECONDS = 1.0
"""How long the workers' last messages may take to come."""


class Mailboxes:
    """A queue for each worker; `all` has what comes from any of them.

    With one queue for all of them, as Prefect has it, a worker that is killed while it writes takes the queue's lock with it:
    the others wait for it at their end, and so does the process that they belong to.
    """

    def __init__(self) -> None:
        self.all: SimpleQueue[Any] = SimpleQueue()
        self._boxes: list[tuple[Any, Thread]] = []

    def open(self, context: BaseContext) -> Any:
        """A queue for a worker that the context will start."""
        box = context.Queue()
        box.cancel_join_thread()  # on this side, where the lock may be lost
        empty = Thread(target=self._empty, args=(box,), name="mailbox", daemon=True)
        empty.start()
        self._boxes.append((box, empty))
        return box

    def close(self) -> None:
        """Wait for what workers that have ended had to say; those that were killed may have left half a message."""
        for box, _ in self._boxes:
            box.put(None)
        end = time.monotonic() + LAST_WORDS_SECONDS
        for _, empty in self._boxes:
            empty.join(max(0.0, end - time.monotonic()))
        self._boxes.clear()

    def _empty(self, box: Any) -> None:
        while True:
            try:
                message = box.get()
            except (EOFError, OSError):
                return
            except Exception:  # one that cannot be read is no reason to hear no other
                continue
            if message is None:
                return
            self.all.put(message)

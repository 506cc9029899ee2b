"""A DVC remote for finished generations: pushed in the background as they come, pulled where another machine goes on."""

import logging
import math
import threading
import time
from collections.abc import Iterable
from queue import Empty, Queue

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, RunFailed, in_a_line
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.recipes.rendering import roots
from pipeline.records.ledger import absent, finished
from pipeline.records.repository import Versions
from pipeline.storage.layout import RECIPE, Layout

log = logging.getLogger("self-consuming")
TRIES, PAUSE_SECONDS = 3, 2.0
LONG_SECONDS, LOOK_SECONDS = 10.0, 0.1
"""After how long it is said that pushes are waited for, and how often it is looked whether they are done."""


class Remote:
    """The remote that params.yaml names, if any; without one, nothing is pushed or pulled.

    What cannot be pushed is tried again with the next generation, and at the end. Raises BadInput where DVC does not know it.
    """

    def __init__(self, versions: Versions, params: Params) -> None:
        self.versions, self.params, self.name = versions, params, params.remote
        self._waiting: Queue[str] = Queue()
        self._left: set[str] = set()
        self._pusher: threading.Thread | None = None
        known = versions.remotes()
        if self.name is not None and self.name not in known:
            raise BadInput(
                f"remote: {self.name!r} is not allowed: DVC knows {', '.join(known) or 'none'} (dvc remote add NAME URL)"
            )

    def pull(self, wanted: Iterable[Chain]) -> None:
        """Bring the chains' outputs that locks name and that are not here. What the remote does not have is made anew.

        Nor are those here that another machine has made anew since, and whose locks came with the project.
        """
        if self.name is None:
            return
        chains = list(wanted)
        committed = [folder for chain in chains for folder in finished(self.params, chain, MAX_GENERATIONS)]
        others = set(committed) - self.versions.current(committed)
        missing = dict.fromkeys([*absent(self.params, chains), *(str(folder / RECIPE) for folder in sorted(others))])
        if missing:
            try:
                self.versions.pull(list(missing), self.name)
            except Exception as error:
                log.warning("not everything could be pulled from %s, the rest is made anew (%s)", self.name, in_a_line(error))

    def push(self, target: str) -> None:
        """Let the outputs of a stage or recipe be pushed; returns at once."""
        if self.name is None:
            return
        if self._pusher is None:
            self._pusher = threading.Thread(target=self._push_what_waits, args=(self.name,), name="push", daemon=True)
            self._pusher.start()
        self._waiting.put(target)

    def finish(self) -> None:
        """Wait until everything is pushed; raises RunFailed when something still cannot be."""
        self._wait()
        for attempt in range(TRIES):
            if not self._left:
                return
            time.sleep(PAUSE_SECONDS * attempt)
            self._waiting.put(min(self._left))  # and with it goes whatever else is left
            self._wait()
        if self._left:
            raise RunFailed(f"{len(self._left)} stages could not be pushed to {self.name}: dvc push -r {self.name}")

    def _wait(self) -> None:
        """Wait until nothing waits to be pushed, however long a remote takes; after a while, say so."""
        said_at = time.monotonic() + LONG_SECONDS
        while waiting := self._waiting.unfinished_tasks:
            if time.monotonic() >= said_at:
                log.warning("still pushing %d stages to %s; after Ctrl-C the same command pushes them", waiting, self.name)
                said_at = math.inf
            time.sleep(LOOK_SECONDS)

    def _push_what_waits(self, name: str) -> None:
        """Push, for as long as the process lives; says once of a row of failures that something is left."""
        versions = None
        while True:
            targets = [self._waiting.get(), *_rest(self._waiting)]
            try:
                versions = versions or Versions(self.params, shared=True)
                versions.push(sorted(self._left.union(targets)), name)
                self._left.clear()
            except Exception as error:
                if not self._left:
                    log.warning("%s cannot be reached, the pushes are tried again (%s)", name, in_a_line(error))
                self._left.update(targets)
            for _ in targets:
                self._waiting.task_done()


def push_all(params: Params, wanted: dict[Chain, int]) -> None:
    """Push what the remote lacks of an experiment that has nothing left to make."""
    if params.remote is None:
        return
    remote, layout = Remote(Versions(params), params), Layout(params.experiment)
    folders = [layout.generation(chain, number) for chain, length in wanted.items() for number in range(1, length + 1)]
    for target in (*roots(params, wanted), *(str(folder / RECIPE) for folder in folders)):
        remote.push(target)
    remote.finish()


def _rest(waiting: Queue[str]) -> list[str]:
    """What else waits by now."""
    rest = []
    try:
        while True:
            rest.append(waiting.get_nowait())
    except Empty:
        return rest

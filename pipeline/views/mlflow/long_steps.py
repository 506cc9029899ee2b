"""Long steps in MLflow while they last: loss and rate over the images seen or drawn, in a run of their own.

Unlike all else there it is not rebuilt from files: the rate is kept nowhere else, and the losses that stay are those of
`losses.json`, in the run `losses`.
"""

import time

from pipeline.storage.within import Told
from pipeline.views.mlflow.store import Store

LIVE = "live"
"""What the name of such a run ends with."""
RATE, LOSS = "images per second", "loss"


class LongSteps:
    """Writes points of long steps, each number of images once, whoever asks and however often a step begins again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reached: dict[tuple[str, str], int] = {}

    def log(self, run: str, said: Told) -> None:
        """Add a point to each of the step's curves, whose names say generation and step. Raises MLflow's own errors."""
        from mlflow.entities import Metric

        now, name = int(time.time() * 1000), f"g{said.generation:03d} {said.step}"
        points = []
        for kind, value in ((RATE, said.images_per_second), (LOSS, said.loss)):
            if value is not None and said.done > self._last(run, key := f"{name}/{kind}"):
                points.append(Metric(key, float(value), now, said.done))
        self._store.log(run, points)
        self._reached |= {(run, point.key): point.step for point in points}

    def _last(self, run: str, key: str) -> int:
        """How far a curve is; the store is asked at first only: a chain that was killed may go on."""
        if (run, key) not in self._reached:
            history = self._store.client.get_metric_history(run, key)
            self._reached[run, key] = max((point.step for point in history), default=-1)
        return self._reached[run, key]


class SharedTracker:
    """The runs in which is seen how what all chains share is made, below the experiment's: it belongs to no chain."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self._store, self._fingerprint, self._runs = store, fingerprint, dict[str, str]()
        self._steps = LongSteps(store)

    def live(self, name: str, said: Told) -> None:
        """How far something is. Raises MLflow's own errors."""
        if name not in self._runs:
            parent = self._store.parent
            self._runs[name] = self._store.run(f"{name} {LIVE}", self._fingerprint, {}, parent)
            self._store.client.update_run(self._runs[name], "RUNNING")
        self._steps.log(self._runs[name], said)

    def end(self, status: str) -> None:
        """Write down how it ended."""
        for run in self._runs.values():
            self._store.client.set_terminated(run, status)

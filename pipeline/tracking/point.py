"""Points of studies in MLflow."""

from typing import Any

from pipeline.files import read_json
from pipeline.studies.study import Study, key
from pipeline.tracking.store import Store, digest


class PointTracker:
    """A study's point as a run in the store: its place as params, its rows by their generation or their number."""

    def __init__(self, store: Store, study: Study, at: dict[str, Any]) -> None:
        self.store, self.study, self.at = store, study, at

    def track(self) -> None:
        """Write the rows, once: a point that is made anew with other rows is another run."""
        from mlflow.entities import Metric

        rows = read_json(self.study.path(self.at))
        run = self.store.run(key(self.at), digest(rows), self.at, self.store.parent())
        if self.store.client.get_run(run).data.metrics:
            return
        points = list[Metric]()
        for number, row in enumerate(rows):
            step = int(row.get("generation", number))
            numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
            points += [Metric(key, float(value), step * 1000, step) for key, value in numbers.items()]
        self.store.log(run, points)
        self.store.client.set_terminated(run)

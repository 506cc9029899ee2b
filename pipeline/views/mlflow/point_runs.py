"""Points of studies in MLflow."""

from typing import Any

from pipeline.analysis.rows import numbers
from pipeline.experiment.errors import BadInput
from pipeline.storage.files import read_json
from pipeline.storage.layout import STUDY_FOLDER
from pipeline.studies.bench.study import Study, load_study
from pipeline.views.mlflow.store import Store, digest, log, written

WHOLE = "self_consuming.whole"
"""The tag of a run that has all of its point's rows."""


class PointTracker:
    """A study's point as a run in the store: its place as params, its rows by their generation or their number."""

    def __init__(self, store: Store, study: Study, at: dict[str, Any]) -> None:
        self.store, self.study, self.at = store, study, at

    def track(self) -> None:
        """Write the rows, once: a point that is made anew with other rows is another run, and half a one is begun again."""
        from mlflow.entities import Metric

        rows = read_json(self.study.path(self.at))
        run = self.store.run(self.study.key(self.at), digest(rows), self.at, self.store.parent)
        found = self.store.client.get_run(run).data
        if WHOLE in found.tags:
            return
        if found.metrics:
            self.store.client.delete_run(run)
            run = self.store.run(self.study.key(self.at), digest(rows), self.at, self.store.parent)
        points = list[Metric]()
        for number, row in enumerate(rows):
            step = int(row.get("generation", number))
            whose = f"/{row['arm']}" if "arm" in row and "arm" not in self.at else ""  # of several arms in a point
            points += [Metric(f"{name}{whose}", float(value), step * 1000, step) for name, value in numbers(row).items()]
        self.store.log(run, points)
        self.store.client.set_terminated(run)
        self.store.client.set_tag(run, WHOLE, "true")


def rebuild() -> int:
    """Write whatever MLflow lacks of the studies' points; gives their number. Raises RunFailed where it cannot be written."""
    made = 0
    for folder in sorted(path.parent for path in STUDY_FOLDER.glob("*/points")):
        try:
            study = load_study(folder.name)
        except BadInput as error:
            log.warning("its points are left out (%s)", error)
            continue
        store = Store(f"study-{study.name}")
        with written():
            for at in (at for at in study.points if study.path(at).exists()):
                PointTracker(store, study, at).track()
                made += 1
    return made

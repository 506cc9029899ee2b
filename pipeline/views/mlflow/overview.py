"""The experiment at a glance: the run that holds the chains together has their curves, and the answer."""

import json
import time
from urllib.parse import quote

import numpy as np
import pandas as pd

from pipeline.experiment.params import Params
from pipeline.storage.layout import Layout
from pipeline.views.mlflow.store import Store, pages

KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
"""What an experiment is: MLflow's page opens such a one with its training runs, and others with pages for language models."""
NOTE = "mlflow.note.content"
SECONDS = 60.0
"""How often the curves are brought up to date while chains are made."""
FIGURES = "end_mean", "factor", "slope"
Curves = dict[str, dict[int, float]]
"""Values at their generations, by the names of metrics."""


class Overview:
    """The parent run in the store. Raises MLflow's own errors."""

    def __init__(self, store: Store, params: Params) -> None:
        self.store, self.params = store, params
        self._due = time.monotonic() + SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() >= self._due

    def curves(self) -> None:
        """Add what there is by now: every arm's FID, the mean over its seeds, in the generations that all of them have."""
        from pipeline.views.report.results import collect

        self._due = time.monotonic() + SECONDS
        self._write(_curves(self.params, collect(self.params)))

    def conclude(self) -> None:
        """The curves, and the report's answer: its figures as metrics, its verdicts as tags, its words as the run's note."""
        from mlflow.entities import RunTag

        from pipeline.views.report.answer import headline
        from pipeline.views.report.costs import costs, step_seconds
        from pipeline.views.report.results import collect
        from pipeline.views.report.states import progress
        from pipeline.views.report.verdicts import mad

        layout, results = Layout(self.params.experiment), collect(self.params)
        table = mad(self.params, results, progress(self.params, results))
        spent = costs(self.params, results, step_seconds(layout))
        self._write(_curves(self.params, results) | _figures(table))
        verdicts = {f"verdict.{row['arm']}": str(row["verdict"]) for row in table.to_dict("records")}
        self.store.client.log_batch(self.store.parent, tags=[RunTag(name, value) for name, value in verdicts.items()])
        page = layout.page.resolve()
        words = "\n\n".join(headline(self.params, results, table, spent))
        self.store.client.set_tag(self.store.parent, NOTE, f"{words}\n\n[The report]({page.as_uri()}): `{page}`")

    def address(self) -> str | None:
        """Where MLflow shows the arms' curves in one chart; None where it is away, or has none yet."""
        arms = list(self.params.arms)
        if self.store.broken:
            return None
        names = [f"fid/{arm}" for arm in arms]
        asked = {"runs": [self.store.parent], "metric": names[0], "experiments": [self.store.experiment_id]}
        asked |= {"plot_metric_keys": names}
        words = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in asked.items())
        return f"{pages()}/#/metric?{words}&x_axis=step"

    def _write(self, curves: Curves) -> None:
        """Add the points that are missing; where one is another now (generations were made anew), a fresh run has them all."""
        from mlflow.entities import Metric

        self.store.client.set_experiment_tag(self.store.experiment_id, KIND, TRAINING)
        there = {name: self._known(name) for name in curves}
        both = [(value, curves[name][step]) for name in curves for step, value in there[name].items() if step in curves[name]]
        if any(not np.isclose(former, now, rtol=1e-9) for former, now in both):
            self.store.renew_parent()
            there = {name: {} for name in curves}
        missing = [(name, step) for name, curve in curves.items() for step in curve if step not in there[name]]
        self.store.log(self.store.parent, [Metric(name, curves[name][step], step * 1000, step) for name, step in missing])

    def _known(self, name: str) -> dict[int, float]:
        return {point.step: point.value for point in self.store.client.get_metric_history(self.store.parent, name)}


def _curves(params: Params, results: pd.DataFrame) -> Curves:
    """The mean FID of each generation that all seeds of an arm have."""
    found: Curves = {}
    for arm, section in params.arms.items():
        by_generation = results[results["arm"] == arm].groupby("generation")["fid"]
        whole = by_generation.mean()[by_generation.count() == len(section.seeds or params.seeds)]
        found[f"fid/{arm}"] = {int(step): float(value) for step, value in whole.items()}
    return found


def _figures(table: pd.DataFrame) -> Curves:
    """The answer's figures, at the generation that they are of: later ones come after them."""
    rows = table.to_dict("records")
    known = [(row, name) for row in rows for name in FIGURES if np.isfinite(row[name])]
    return {f"summary/{name}/{row['arm']}": {int(row["generations"]): float(row[name])} for row, name in known}

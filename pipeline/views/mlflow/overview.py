"""The experiment at a glance: the run that holds the chains together has their curves, and the answer."""

import json
import time
from typing import Any
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
        self._write(collect(self.params))

    def conclude(self) -> None:
        """The curves, and the report's answer: its figures as metrics, its verdicts as tags, its words as the run's note."""
        from pipeline.views.report.answer import headline
        from pipeline.views.report.costs import costs, step_seconds
        from pipeline.views.report.results import collect
        from pipeline.views.report.states import progress
        from pipeline.views.report.verdicts import mad

        layout, results = Layout(self.params.experiment), collect(self.params)
        table = mad(self.params, results, progress(self.params, results))
        spent = costs(self.params, results, step_seconds(layout))
        self._write(results)
        self._answer(table)
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

    def _write(self, results: pd.DataFrame) -> None:
        from mlflow.entities import Metric

        self.store.client.set_experiment_tag(self.store.experiment_id, KIND, TRAINING)
        curves = {f"fid/{arm}": _means(self.params, results, arm) for arm in self.params.arms}
        there = {name: self._known(name) for name in curves}
        written = [(curves[name].get(step), value) for name in curves for step, value in there[name].items()]
        if any(now is not None and not np.isclose(now, value, rtol=1e-9) for now, value in written):
            self.store.renew_parent()  # generations were made anew, with other results
            there = {name: {} for name in curves}
        points = [
            Metric(name, value, step * 1000, step)
            for name, curve in curves.items()
            for step, value in curve.items()
            if step not in there[name]
        ]
        self.store.log(self.store.parent, points)

    def _known(self, name: str) -> dict[int, float]:
        return {point.step: point.value for point in self.store.client.get_metric_history(self.store.parent, name)}

    def _answer(self, table: pd.DataFrame) -> None:
        """Figures at the generation that they are of: later ones come after them."""
        from mlflow.entities import Metric, RunTag

        points, tags = list[Metric](), list[RunTag]()
        for row in table.to_dict("records"):
            step = int(row["generations"])
            for name in FIGURES:
                key = f"summary/{name}/{row['arm']}"
                if np.isfinite(row[name]) and self._known(key).get(step) != row[name]:
                    points.append(Metric(key, float(row[name]), int(time.time() * 1000), step))
            tags.append(RunTag(f"verdict.{row['arm']}", str(row["verdict"])))
        self.store.log(self.store.parent, points)
        self.store.client.log_batch(self.store.parent, tags=tags)


def _means(params: Params, results: pd.DataFrame, arm: str) -> dict[int, float]:
    """The mean FID of each generation that all seeds of an arm have."""
    seeds: list[Any] = params.arms[arm].seeds or params.seeds
    by_generation = results[results["arm"] == arm].groupby("generation")["fid"]
    whole = by_generation.mean()[by_generation.count() == len(seeds)]
    return {int(step): float(value) for step, value in whole.items()}

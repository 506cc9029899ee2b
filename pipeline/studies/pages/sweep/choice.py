"""What a sweep's rows come to: a number for every point and arm, the means over seeds, and the best place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.intervals import bootstrap
from pipeline.experiment.errors import BadInput
from pipeline.studies.bench.axes import words
from pipeline.studies.points.sweep.point import Settings
from pipeline.views.report.results import tail

HIGHER = "precision", "recall", "density", "coverage", "class_entropy"
"""Metrics that are better the higher they are."""


@dataclass(frozen=True)
class Sweep:
    """A sweep's points as numbers.

    Attributes:
        axes: all axes but the seed, with their values in the order of the study's file.
        points: a row a point and arm: arm, seed, the axes, `value` (infinitely bad where the chain broke), `over` (of how many
            last generations it is the mean), `generations`, `selecting` (whether the seed is one to choose by).
        metric: what the values are of.
        highest: whether the highest is the best.
    """

    axes: dict[str, list[Any]]
    points: pd.DataFrame
    metric: str
    highest: bool

    def of(self, arm: str, selecting: bool | None = None) -> pd.DataFrame:
        """An arm's points: those to choose by, those to report by, or all."""
        mine = self.points[self.points["arm"] == arm]
        return mine if selecting is None else mine[mine["selecting"] == selecting]

    @property
    def arms(self) -> list[str]:
        """The arms that there are points of."""
        return list(dict.fromkeys(self.points["arm"]))

    @property
    def chooses(self) -> bool:
        """Whether the best place is chosen on other seeds than it is reported on."""
        return bool(self.points["selecting"].any())

    def reported(self, arm: str) -> pd.DataFrame:
        """An arm's points on the seeds that are reported; on those that it was chosen on, where no other is there yet."""
        rows = self.of(arm, False)
        return rows if len(rows) else self.of(arm)


def sweep_of(settings: Settings, results: pd.DataFrame) -> Sweep:
    """The numbers of a sweep's rows, whose attribute `axes` names the axes. Raises BadInput for a metric that none has."""
    axes = [axis for axis in results.attrs["axes"] if axis != "seed"]
    metric = settings.metric
    if metric not in results and ("broken" not in results or results["broken"].isna().any()):
        known = sorted(name for name in results.select_dtypes("number") if name not in (*axes, "seed", "generation", "broken"))
        raise BadInput(f"settings.metric: {metric!r} is not allowed: the points have {', '.join(known)}")
    highest = settings.best == "highest" or (settings.best is None and metric in HIGHER)
    frame = results.assign(seed=results.get("seed", 0))
    for axis in axes:
        frame[axis] = [
            value if isinstance(value, int | float) and not isinstance(value, bool) else words(value) for value in frame[axis]
        ]
    values = {axis: list(dict.fromkeys(frame[axis])) for axis in axes}
    rows = []
    for place, chain in frame.groupby(["arm", "seed", *axes], sort=False):
        chain = chain.sort_values("generation")
        broken = "broken" in chain and chain["broken"].notna().any()
        curve = np.empty(0) if broken else chain[metric].to_numpy(dtype=np.float64)
        value = (-np.inf if highest else np.inf) if broken else float(tail(curve).mean())
        row = dict(zip(("arm", "seed", *axes), place)) | {"value": value, "over": len(tail(curve)), "generations": len(chain)}
        rows.append(row | {"selecting": row["seed"] in settings.selection_seeds})
    return Sweep(values, pd.DataFrame(rows), metric, highest)


def best_place(sweep: Sweep, arm: str) -> dict[str, Any]:
    """The place whose mean over the seeds to choose by is the best, of those that have most of these seeds."""
    rows = sweep.of(arm, True) if len(sweep.of(arm, True)) else sweep.of(arm)
    found = rows.groupby(list(sweep.axes), sort=False)["value"].agg(["mean", "count"])
    means = found.loc[found["count"] == found["count"].max(), "mean"]
    index = means.idxmax() if sweep.highest else means.idxmin()
    return dict(zip(sweep.axes, index if isinstance(index, tuple) else (index,)))


def at(rows: pd.DataFrame, place: dict[str, Any]) -> pd.DataFrame:
    """The rows at a place."""
    here = pd.Series(True, index=rows.index)
    for axis, value in place.items():
        here &= rows[axis] == value
    return rows[here]


def table(sweep: Sweep, arm: str) -> pd.DataFrame:
    """An arm's places in the file's order: mean and interval over the seeds to report by, mean over those to choose by."""
    best, rows = best_place(sweep, arm), []
    for index, mine in sweep.of(arm).groupby(list(sweep.axes), sort=False):
        place = dict(zip(sweep.axes, index if isinstance(index, tuple) else (index,)))
        shown = at(sweep.reported(arm), place)["value"]
        row: dict[str, Any] = place | {"best": "best" if place == best else "", "seeds": len(shown)}
        value = bootstrap(shown) if len(shown) else None
        row |= {sweep.metric: value and value.value, "low": value and value.low, "high": value and value.high}
        if sweep.chooses:
            row[f"{sweep.metric} on the selection seeds"] = mine.loc[mine["selecting"], "value"].mean()
        rows.append(row)
    order = {axis: {value: place for place, value in enumerate(values)} for axis, values in sweep.axes.items()}
    return pd.DataFrame(rows).sort_values(list(sweep.axes), key=lambda column: column.map(order[str(column.name)]))


def at_the_end(sweep: Sweep, place: dict[str, Any]) -> list[str]:
    """The axes of numbers at whose first or last value a place lies, so that a better one may lie beyond."""
    numeric = {axis: values for axis, values in sweep.axes.items() if len(values) > 1 and all_numbers(values)}
    return [axis for axis, values in numeric.items() if place[axis] in (min(values), max(values))]


def all_numbers(values: list[Any]) -> bool:
    """Whether they have an order and distances."""
    return all(isinstance(value, int | float) for value in values)

"""The page of study `sweep`: what its points say, and a figure."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.intervals import bootstrap
from pipeline.studies.bench.study import Summary
from pipeline.studies.pages.sweep import maps
from pipeline.studies.pages.sweep.choice import Sweep, at, at_the_end, best_place, sweep_of, table
from pipeline.studies.points.sweep.point import Settings
from pipeline.views.report.numerals import figure_text


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Each arm's best place, chosen on the selection seeds, and what it gives on the others; all places in a table."""
    sweep = sweep_of(settings, results)
    end = int(sweep.points["over"].max())
    over = f"Mean over the last {end} generations of a chain." if end > 1 else "Of a chain's last generation."
    tables = {f"{arm}: {sweep.metric}": table(sweep, arm) for arm in sweep.arms}
    return Summary("; ".join(_sentence(sweep, arm) for arm in sweep.arms) + f". {over}", tables)


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Curves for one axis, heat maps for two and more, and the best place in each."""
    return maps.drawn(sweep_of(settings, results))


def _sentence(sweep: Sweep, arm: str) -> str:
    best, all_places = best_place(sweep, arm), table(sweep, arm)
    place = ", ".join(f"{axis} = {shown(value)}" for axis, value in best.items())
    mine = at(sweep.of(arm, False), best)["value"]
    text = f"{arm}: of {len(all_places)} places the best is {place}"
    if sweep.chooses:
        text += f", chosen on seeds {', '.join(map(str, sorted(set(sweep.of(arm, True)['seed']))))}"
    if mine.empty:
        return f"{text}, which no other seed has made yet"
    value = bootstrap(mine)
    text += f": {sweep.metric} {figure_text(value.value)}"
    if len(mine) > 1:
        text += f" ({figure_text(value.low)} to {figure_text(value.high)})"
    seeds = f"{len(mine)}{' other' * sweep.chooses} seed{'s' * (len(mine) > 1)}"
    text += f" on {seeds}" if sweep.chooses else f" ({seeds}, on which it was chosen, too: the true one is likely worse)"
    known = all_places[sweep.metric].dropna()
    text += f"; all places have {figure_text(known.min())} to {figure_text(known.max())}"
    if ends := at_the_end(sweep, best):
        text += f"; it lies at an end of {' and '.join(ends)}, so a better one may lie beyond"
    return text


def shown(value: Any) -> str:
    """A value of an axis in words."""
    return f"{value:g}" if isinstance(value, float) else str(value)

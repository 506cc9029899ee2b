"""The page's interactive curves, for plotly.js: every numeric metric over the generations, arm by arm."""

import re
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.theory import predicted
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.views.report.figures import REACH
from pipeline.views.report.palette import CONTROL, GREY, Look, arm_looks
from pipeline.views.report.results import COUNTS, SETTINGS, Yardsticks

NO_METRICS = {"seed", "generation", "images_seen", "nfe", "n_selection", *SETTINGS} - {"guidance"}
"""Numeric columns that are no measurements of samples; no more are counts, n_*."""
MANY = 10
"""Numbers of a list that have a chart each."""
Trace = dict[str, Any]


def library() -> str:
    """plotly.js, to be embedded once; it asks nothing of the network."""
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def charts(params: Params, results: pd.DataFrame, marks: Yardsticks) -> list[dict[str, Any]]:
    """A chart a metric, fid first: name, label, traces, whether it may be and at first is logarithmic."""
    results = condensed(results)
    return [_chart(params, results, marks, name) for name in measured(results)]


def measured(results: pd.DataFrame) -> list[str]:
    """The columns that are measurements, and have any, in their order."""
    numeric = results.select_dtypes("number").columns
    names = [name for name in numeric if name not in NO_METRICS and not name.startswith("n_")]
    if "guidance" in names and results.groupby("arm")["guidance"].nunique().max() < 2:
        names.remove("guidance")  # it is given, and not chosen anew in every generation
    return [name for name in names if results[name].notna().any()]


def condensed(results: pd.DataFrame) -> pd.DataFrame:
    """The least and the greatest in place of each list of more than MANY numbers; a mixture can have hundreds of modes."""
    lists = results.columns.str.extract(r"^(.+)\.\d+$", expand=False)
    for name, count in lists.value_counts().items():
        if count > MANY:
            columns = results.columns[results.columns.str.fullmatch(rf"{re.escape(str(name))}\.\d+")]
            values = results[columns]
            ends = {f"{name}.least": values.min(axis=1), f"{name}.greatest": values.max(axis=1)}
            results = results.drop(columns=columns).assign(**ends)
    return results


def _chart(params: Params, results: pd.DataFrame, marks: Yardsticks, name: str) -> dict[str, Any]:
    look, last = arm_looks(params), int(results["generation"].max())
    traces: list[Trace] = []
    foreseen: list[Trace] = []
    for arm, of_arm in results.groupby("arm", sort=False):
        if of_arm[name].notna().any():
            prediction = _prediction(params, str(arm), look[str(arm)].colour, last) if name == "fid" else []
            traces += arm_traces(str(arm), of_arm, name, look[str(arm)]) + prediction
            foreseen += prediction
    if name == "fid":
        traces += _lines(marks, results)
    elif name in marks.floors:
        traces.append(_floor(marks.floors[name], name, marks, results))
    values = results[name].dropna()
    positive = bool((values > 0).all())
    wide = positive and bool(values.max() > 10 * values.min())
    label = label_of(name, kind_of(params.evaluation.extractor))
    may: dict[str, Any] = {"may_be_log": positive, "log": wide and name in ("fid", "fid_base")}
    return {
        "name": name,
        "label": label,
        "traces": traces,
        "range": _log_range(values, foreseen, marks, name) if positive else None,
    } | may


def label_of(name: str, extractor: str) -> str:
    """A metric's name as an axis has it."""
    if name in ("fid", "fid_base"):
        return {"fid": "FID", "fid_base": "FID of the base"}[name] + f" ({extractor})"
    return name.replace("_", " ").replace(".", " ")


def _log_range(values: "pd.Series[float]", foreseen: list[Trace], marks: Yardsticks, name: str) -> list[float]:
    """What a logarithmic axis first shows, as powers of ten: all that was measured, the floor, and predictions up to `REACH`.

    Not those below, which may come near 0.
    """
    low = min(values.min(), marks.floor if name == "fid" else max(marks.floors.get(name, np.inf), 0) or np.inf)
    above = max((y for trace in foreseen for y in trace["y"] if y is not None), default=0.0)
    high = max(values.max(), min(above, REACH * values.max()))
    return [round(float(np.log10(low / 1.5)), 4), round(float(np.log10(high * 1.3)), 4)]


def arm_traces(arm: str, of_arm: pd.DataFrame, name: str, look: Look) -> list[Trace]:
    """The arm's mean over its seeds as a line, and their range as a band, which the legend switches together."""
    by_generation = of_arm.groupby("generation")[name]
    mean, low, high = by_generation.mean(), by_generation.min(), by_generation.max()
    x, seeds = mean.index.tolist(), by_generation.count().tolist()
    common: Trace = {"legendgroup": arm, "x": x}
    ranges = [f" ({_text(a)} to {_text(b)}, {n} seeds)" if n > 1 else "" for a, b, n in zip(low, high, seeds)]
    line: Trace = common | {
        "uid": f"{arm}-mean",
        "name": arm,
        "y": _short(mean),
        "text": ranges,
        "hovertemplate": "%{y:.4g}%{text}",
        "mode": "lines+markers",
        "line": {"color": look.colour, "width": 2},
        "marker": {"size": 5 if len(x) > 1 else 8, "symbol": look.symbol},
    }
    if max(seeds) < 2:
        return [line]
    edge: Trace = common | {"mode": "lines", "line": {"width": 0, "color": look.colour}}
    edge |= {"hoverinfo": "skip", "showlegend": False}
    red, green, blue = (int(look.colour[place : place + 2], 16) for place in (1, 3, 5))
    fill = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.22)"}
    return [edge | {"uid": f"{arm}-low", "y": _short(low)}, edge | fill | {"uid": f"{arm}-high", "y": _short(high)}, line]


def _prediction(params: Params, arm: str, colour: str, last: int) -> list[Trace]:
    """What theory says of the arm's generations, as far as there are any of the experiment's."""
    curve = predicted(params, arm)
    if curve is None:
        return []
    curve = curve[:last]
    label = f"{arm}, predicted (exact fit)"
    line = {"color": colour, "width": 1.5, "dash": "dash"}
    return [_line(label, list(range(1, len(curve) + 1)), _short(pd.Series(curve)), line)]


def _lines(marks: Yardsticks, results: pd.DataFrame) -> list[Trace]:
    """The floor, the control's mean and generation 1 of the plain arm, as level lines over all generations."""
    levels = []
    if marks.control is not None:
        levels.append(("mean of the control", marks.control, {"color": CONTROL.colour, "dash": "dot"}))
    if marks.first is not None:
        levels.append((f"generation 1 of {marks.first_arm}", marks.first, {"color": GREY, "dash": "dashdot"}))
    last = int(results["generation"].max())
    return [_floor(marks.floor, "fid", marks, results)] + [_level(label, level, last, style) for label, level, style in levels]


def _floor(level: float, name: str, marks: Yardsticks, results: pd.DataFrame) -> Trace:
    """What real samples measure, which is what their finite number alone costs; says so where the arms have another one."""
    n, column = marks.counted(name), COUNTS.get(name, "n_samples")
    arms = int(results[column].max()) if column in results else n
    label = f"real against real, {n} samples" + (f" (the arms: {arms})" if arms != n else "")
    return _level(label, level, int(results["generation"].max()), {"color": GREY, "dash": "dot"})


def _level(label: str, level: float, last: int, style: Trace) -> Trace:
    return _line(label, list(range(1, last + 1)), _short(pd.Series([level] * last)), style | {"width": 1.5})


def _line(label: str, x: list[int], y: list[float | None], style: Trace) -> Trace:
    uid = re.sub(r"\W+", "-", label)  # plotly.js looks for it as a CSS class
    return {"uid": uid, "name": label, "x": x, "y": y, "mode": "lines", "line": style, "hovertemplate": "%{y:.4g}"}


def _short(values: "pd.Series[float]") -> list[float | None]:
    """Five significant figures are enough to draw; None where there is no number."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.to_numpy(dtype=np.float64)]


def _text(value: float) -> str:
    return f"{value:.4g}"

"""The page of study `prophylaxis`: what its points say, and a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.intervals import Interval, bootstrap, columns, log_slope
from pipeline.analysis.theory import LEFT_OUT
from pipeline.studies.bench.study import Summary
from pipeline.studies.points.prophylaxis.point import Settings
from pipeline.views.report.axes import generations, logarithmic, measured
from pipeline.views.report.figures import band, floor_line
from pipeline.views.report.palette import looks
from pipeline.views.report.results import TAIL

UNKNOWN = Interval(np.nan, np.nan, np.nan)


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Every arm's FID in units of the real control's with the same seed, and the slope of log FID over generations."""
    control = settings.control
    unit = results[results["arm"] == control].groupby("seed")["fid"].mean()
    rows, sentences = [], []
    for arm, part in results.groupby("arm", sort=False):
        curves = part.pivot(index="seed", columns="generation", values="fid").dropna()
        if curves.empty or curves.shape[1] < 2:
            continue
        units = unit.reindex(curves.index)
        tail = min(TAIL, max(1, curves.shape[1] // 4))
        end, later = curves.iloc[:, -tail:].mean(axis=1) / units, curves.iloc[:, 1:].mean(axis=1) / units
        slope = bootstrap(curves.to_numpy()[:, 1:], log_slope) if curves.shape[1] > 2 else UNKNOWN
        ends = bootstrap(end.dropna()) if end.notna().any() else UNKNOWN
        row = {"arm": arm, "seeds": len(curves), "generations": curves.shape[1], "first": curves.iloc[:, 0].mean()}
        row |= {
            "end": ends.value,
            "end_low": ends.low,
            "end_high": ends.high,
            "end_least": end.min(),
            "later_most": later.max(),
        }
        row |= columns("end", end)
        row |= {"slope": slope.value, "slope_low": slope.low, "slope_high": slope.high}
        last = part[part["generation"] > curves.shape[1] - tail]
        if _has(last, "predicted"):
            row["end_predicted"] = last["predicted"].mean() / units.mean()
        if _has(last, "modes_lost"):
            lost = bootstrap(last.groupby("seed")["modes_lost"].mean())
            row |= {"modes_lost": lost.value, "modes_lost_low": lost.low, "modes_lost_high": lost.high}
        rows.append(row)
        sentences.append(
            f"{arm}: the last {tail} of {curves.shape[1]} generations are {ends.value:.3g} ({ends.low:.3g} to {ends.high:.3g})"
            f" times the control, {len(curves)} seeds, in the median {row['end_median']:.3g} ({row['end_fresh_low']:.3g} to"
            f" {row['end_fresh_high']:.3g} for that of as many fresh ones); log10 FID rises by {slope.value:.2g} a generation"
            f" ({slope.low:.2g} to {slope.high:.2g})"
        )
    tables = {"arms, in units of the control of the same seed": pd.DataFrame(rows)}
    if _has(results, "modes_lost"):
        lost = results.pivot_table(index="generation", columns="arm", values="modes_lost", sort=False).sort_index()
        tables["modes lost, the mean over seeds"] = lost.reset_index()
    said = "; ".join(sentences)
    return Summary(f"{said}. {LEFT_OUT}" if _has(results, "predicted") else said, tables)


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Collapse curves, mean and range over seeds, with theory's where there are; on a mixture the modes that are lost, too."""
    shown = {"fid": "FID"} | ({"modes_lost": "modes lost"} if _has(results, "modes_lost") else {})
    figure, panels = plt.subplots(
        1, len(shown), figsize=(9 if len(shown) == 1 else 13, 5.5), squeeze=False, layout="constrained"
    )
    look = looks(map(str, results["arm"].unique()), settings.control)
    for (column, words), axes in zip(shown.items(), panels[0]):
        for arm, part in results.groupby("arm", sort=False):
            line = band(axes, part.groupby("generation")[column], f"{arm} ({part['seed'].nunique()} seeds)", look[str(arm)])
            if column == "fid" and _has(part, "predicted"):
                theory = part.groupby("generation")["predicted"].mean()
                axes.plot(theory, color=line.get_color(), linestyle="--", linewidth=1, label=f"{arm}, predicted")
        axes.set(xlabel="generation", ylabel=words)
        generations(axes, int(results["generation"].max()))
    floor_line(panels[0, 0], results)
    if _has(results, "predicted"):
        measured(panels[0, 0], results)
    logarithmic(panels[0, 0])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _has(rows: pd.DataFrame, column: str) -> bool:
    """Whether any of the rows has the column's value."""
    return column in rows and bool(rows[column].notna().any())

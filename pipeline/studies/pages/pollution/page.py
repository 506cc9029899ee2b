"""The page of study `pollution`: what its points say, and a figure."""

from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.intervals import bootstrap, columns
from pipeline.distance.frechet import Floats
from pipeline.studies.bench.study import Summary, diverged_as_infinite
from pipeline.studies.points.pollution.point import Settings
from pipeline.views.report.figures import band, floor_line
from pipeline.views.report.palette import GREY, MARKERS, SIMS, STANDARD, Look

LINES: Any = "-", "--", ":", "-."
"""Those of SIMS with one w and the next."""


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Standard training (w = 0) and SIMS at every share, and up to which share SIMS is better than the unpolluted base."""
    results, rows = diverged_as_infinite(results), []
    for (share, w), part in results.groupby(["share", "w"]):
        difference = bootstrap(part["fid"] - part["fid_unpolluted"])
        row = {"share": share, "w": w, "seeds": len(part), "fid": part["fid"].mean()}
        row |= {"fid_unpolluted": part["fid_unpolluted"].mean(), "difference": difference.value}
        row |= {"difference_low": difference.low, "difference_high": difference.high}
        rows.append(row | columns("fid", part["fid"]) | columns("difference", part["fid"] - part["fid_unpolluted"]))
    sentences = []
    for w, part in results.groupby("w"):
        differences = (
            (part.assign(d=part["fid"] - part["fid_unpolluted"])).pivot(index="seed", columns="share", values="d").dropna()
        )
        if len(differences):
            shares = differences.columns.to_numpy(dtype=float)
            even = bootstrap(differences.to_numpy(), partial(_break_even_of_mean, shares))
            name = f"SIMS (w = {w:g})" if w else "standard training"
            sentences.append(
                f"{name} is better than the unpolluted base up to |D_p| = {even.value:.2g} |D_r|"
                f" ({even.low:.2g} to {even.high:.2g}, {len(differences)} seeds; {shares.max():g} is the largest tried)"
            )
    return Summary("; ".join(sentences), {"FID at each share": pd.DataFrame(rows)})


def _break_even_of_mean(shares: Floats, differences: Floats) -> float:
    return break_even(shares, differences.mean(axis=0))


def break_even(shares: Floats, differences: Floats) -> float:
    """The first share at which the difference becomes positive, linear between points; the largest where it never does."""
    if differences[0] >= 0:
        return float(shares[0])
    for left, right in zip(range(len(shares)), range(1, len(shares))):
        if differences[right] >= 0:
            way = differences[left] / (differences[left] - differences[right])
            return float(shares[left] + way * (shares[right] - shares[left]))
    return float(shares[-1])


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """FID against the pollution, mean and range over seeds."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    guided = [SIMS, *(Look(SIMS.colour, *names) for names in MARKERS)]
    for place, (w, part) in enumerate(results[results["w"] > 0].groupby("w")):
        line = band(axes, part.groupby("share")["fid"], f"SIMS, w = {w:g}", guided[place % len(guided)])
        line.set_linestyle(LINES[place % len(LINES)])
    if (plain := results["w"] == 0).any():
        band(axes, results[plain].groupby("share")["fid"], "standard", STANDARD)
    axes.axhline(results["fid_unpolluted"].mean(), color=GREY, linestyle="--", linewidth=1, label="unpolluted base")
    floor_line(axes, results)
    axes.set(
        xlabel="|D_p| / |D_r|", ylabel="FID", title=f"second generation, {results['seed'].nunique()} seeds: mean and range"
    )
    axes.legend()
    return figure

"""The page of study `control`: what its points say, and a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.intervals import bootstrap, columns
from pipeline.studies.bench.study import Summary, diverged_as_infinite
from pipeline.studies.points.control.point import Settings
from pipeline.views.report.figures import band
from pipeline.views.report.palette import BLACK, COLOURS, GREY, MARKERS, SIMS, STANDARD, Look

TOLERANCE = 0.05
"""How far from its target a candidate's mean share may be when the one with the lowest FID is looked for."""


def candidates(results: pd.DataFrame) -> pd.DataFrame:
    """A row a target and candidate (w and budget): its means over the seeds, and whether it is the target's best.

    The best is the one with the lowest FID among those whose share is within TOLERANCE of what is aimed at; where none is, the
    one whose share is nearest.
    """
    rows = []
    for _, of_target in diverged_as_infinite(results).groupby("target"):
        mine = []
        for (target, w, budget), part in of_target.groupby(["target", "w", "budget"]):
            achieved, distance = bootstrap(part["achieved"].astype(float)), bootstrap(part["fid"])
            row = {"target": target, "w": w, "steps": budget, "seeds": len(part)}
            row |= {"feasible": f"{part['feasible'].sum()} of {len(part)}", "nearest": part["nearest"].mean()}
            row |= {"q_s by law": part["q_law"].mean(), "achieved by law": part["achieved_by_law"].astype(float).mean()}
            row |= {"q_s": part["q_auxiliary"].mean()}
            row |= {"achieved": achieved.value, "achieved_low": achieved.low, "achieved_high": achieved.high}
            row |= {"fid": distance.value, "fid_low": distance.low, "fid_high": distance.high} | columns("fid", part["fid"])
            mine.append(row | {name: part[name].mean() for name in ("fid_base", "fid_rejection", "rejection_draws", "floor")})
        table = pd.DataFrame(mine)
        error = (table["achieved"] - table["nearest"]).abs().fillna(np.inf)
        reached = error <= TOLERANCE
        best = table["fid"].where(reached).idxmin() if reached.any() else error.idxmin()
        rows.append(table.assign(best=table.index == best))
    return pd.concat(rows, ignore_index=True)


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Achieved shares and FIDs at every target, and the largest error among the feasible ones."""
    table = candidates(results)
    chosen = best(results, table)
    tables = {"targets": table}
    feasible = chosen[chosen["feasible"] & chosen["achieved"].notna()]
    if feasible.empty:
        return Summary("no target is feasible", tables)
    by_target = feasible.groupby("target")[["achieved", "nearest", "fid", "fid_base"]].mean()
    errors = (by_target["achieved"] - by_target["nearest"]).abs()
    single = (feasible["achieved"] - feasible["nearest"]).abs().max()
    worse = by_target.index[by_target["fid"] > by_target["fid_base"]]
    count = len(settings.guidances) * len(settings.budgets)
    text = f"the best of {count} candidates at each target, which are to be reported on other seeds: " if count > 1 else ""
    text += (
        f"the achieved share is within {errors.max():.3f} of the target for all feasible targets in the mean of"
        f" {results['seed'].nunique()} seeds (within {single:.3f} for each single seed); mean FID against real data of the"
        f" target distribution {feasible['fid'].mean():.3g}, the base's against its own {feasible['fid_base'].mean():.3g},"
        f" rejection from the base {feasible['fid_rejection'].mean():.3g}; "
    )
    text += "no target's is worse than the base's" if worse.empty else f"worse than the base's at {', '.join(map(str, worse))}"
    return Summary(text, tables)


def best(results: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each target's best candidate, by the table of `candidates`."""
    wanted = table[table["best"]].rename(columns={"steps": "budget"})[["target", "w", "budget"]]
    return results.merge(wanted, on=["target", "w", "budget"])


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Achieved against wanted shares, and the FIDs with their range over seeds, of each target's best candidate."""
    chosen = best(results, candidates(results)).sort_values("target")
    figure, (shares, distances) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    targets = sorted(chosen["target"].unique())
    shares.plot(targets, targets, color=GREY, linewidth=1, label="target")
    for feasible, part in chosen.groupby("feasible"):
        label, marker = ("SIMS", SIMS.marker) if feasible else ("SIMS, target infeasible", "x")
        achieved = part["achieved"].astype(float)
        shares.plot(part["target"], achieved, marker, color=SIMS.colour, markersize=4, label=label)
    shares.set(xlabel="target share", ylabel="achieved share", title=f"{chosen['seed'].nunique()} seeds")
    shares.legend()
    curves = {"fid": ("SIMS", SIMS), "fid_rejection": ("rejection from the base", Look(COLOURS[-1], *MARKERS[0]))}
    curves |= {"fid_base": ("base, against its own distribution", STANDARD)}
    for column, (label, look) in curves.items():
        band(distances, chosen.groupby("target")[column], label, look)
    label = f"floor: {chosen['floor_n'].max():.0f} real samples"
    distances.plot(chosen.groupby("target")["floor"].mean(), color=BLACK, linestyle=":", linewidth=1, label=label)
    distances.set(
        xlabel="target share", ylabel="FID against real data of the target distribution", title="mean and range of the seeds"
    )
    distances.legend()
    return figure

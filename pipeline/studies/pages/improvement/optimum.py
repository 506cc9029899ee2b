"""Where the best guidance lies, between the grid's, and whether it falls with the auxiliary's budget."""

from functools import partial

import numpy as np
import pandas as pd

from pipeline.analysis.intervals import bootstrap
from pipeline.distance.frechet import Floats


def lowest(guidances: Floats, fids: Floats) -> float:
    """Where the parabola through the lowest FID and those beside it has its lowest point: guidances and FIDs, [W].

    The guidance of the lowest one itself at an end of the grid, and beside one that diverged.
    """
    at = int(np.argmin(fids))
    near = slice(at - 1, at + 2)
    if at in (0, len(fids) - 1) or not np.isfinite(fids[near]).all():
        return float(guidances[at])
    a, b, _ = np.polyfit(guidances[near], fids[near], 2)
    return float(-b / (2 * a))


def best_guidances(grid: pd.DataFrame) -> pd.DataFrame:
    """The best w for every strategy, |S| and budget, between the grid's: of the mean curve, with its interval over seeds."""
    rows = []
    for (strategy, n, budget), part in grid.groupby(["strategy", "n", "budget"], sort=False):
        curves = part.pivot(index="seed", columns="w", values="fid").dropna()
        best = bootstrap(curves.to_numpy(), partial(_lowest_of_mean, curves.columns.to_numpy(dtype=float)))
        row = {"strategy": strategy, "n": n, "budget": budget, "seeds": len(curves)}
        row |= {"best_w": best.value, "best_w_low": best.low, "best_w_high": best.high}
        rows.append(
            row | {"best_of_grid": curves.mean().idxmin(), "fid": curves.mean().min(), "fid_base": part["fid_base"].mean()}
        )
    return pd.DataFrame(rows)


def falls(grid: pd.DataFrame) -> pd.DataFrame:
    """How the best w changes when the budget is doubled, for every strategy and |S|: least squares, interval over seeds."""
    rows = []
    for (strategy, n), part in grid.groupby(["strategy", "n"], sort=False):
        wide = part.pivot(index="seed", columns=["budget", "w"], values="fid").dropna()
        budgets, guidances = (wide.columns.unique(level).to_numpy(dtype=float) for level in ("budget", "w"))
        if len(budgets) > 1:
            curves = wide.to_numpy().reshape(len(wide), len(budgets), len(guidances))
            change = bootstrap(curves, partial(_change_of_lowest, np.log2(budgets), guidances))
            row = {"strategy": strategy, "n": n, "seeds": len(wide), "w a doubling": change.value}
            rows.append(row | {"low": change.low, "high": change.high})
    return pd.DataFrame(rows)


def _lowest_of_mean(guidances: Floats, curves: Floats) -> float:
    return lowest(guidances, curves.mean(axis=0))


def _change_of_lowest(log_budgets: Floats, guidances: Floats, curves: Floats) -> float:
    """curves: [seeds, budgets, W]."""
    best = [lowest(guidances, of_budget) for of_budget in curves.mean(axis=0)]
    return float(np.polyfit(log_budgets, best, 1)[0])

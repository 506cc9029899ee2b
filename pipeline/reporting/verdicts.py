"""Did an arm go MAD? The verdict of every arm, and the report's answer in words, both from the results alone."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.measures.intervals import Interval, bootstrap, log_slope
from pipeline.params import Params
from pipeline.reporting.numerals import figure_text
from pipeline.reporting.results import control_arm, plain_arm, tail

MARGIN = 2.0
"""Trainings on the same real data differ among themselves by about this factor: less is no collapse."""
COLLAPSED, UNCLEAR, DRIFTED, STABLE, EARLY = "collapsed", "unclear", "drifted", "stable", "too early"
WORDS = {
    COLLAPSED: "collapsed (MAD)",
    UNCLEAR: "is worse, but not clearly",
    DRIFTED: f"drifted, by less than {MARGIN:g} times",
    STABLE: "stayed stable",
}
ENOUGH = 8
"""Generations whose end (a quarter) is more than one."""
TINY = 1e-12
MEANING = (
    f"Collapsed (MAD): the mean FID of the end is more than {MARGIN:g} times the reference, its interval lies above 1, and the"
    f" curve rises; unclear: more, but without the one or the other; drifted: at most {MARGIN:g} times, but"
    f" both intervals lie above 1 and the curve rises; stable: none of these; too early: fewer than {ENOUGH} generations"
)


def mad(params: Params, results: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: its verdict, and what it rests on.

    slope: of log10 FID over the generations by least squares, the mean over the seeds. factor: the mean FID of the end over
    the reference, which is the control's mean FID (generation 1 of the plain arm where there is no control) of the same seed.
    growth: the same over the arm's own generation 1. Each with _low and _high: a 95 % bootstrap interval over seeds; with one
    seed the slope has none, and the others give the 10th and 90th percentile of the chain's end, if that is more than one.
    """
    return pd.DataFrame([_row(params, results, str(arm), of_arm) for arm, of_arm in results.groupby("arm", sort=False)])


def summary(table: pd.DataFrame) -> dict[str, dict[str, float | str]]:
    """The verdicts of `mad` for `dvc metrics show` and `dvc exp show`: a few numbers an arm."""
    shown = {"end_mean": "fid", "factor": "factor", "growth": "growth", "slope": "slope", "verdict": "verdict"}
    rows = {row["arm"]: {shown[key]: row[key] for key in shown} for row in table.to_dict("records")}
    return {str(arm): {key: value for key, value in row.items() if pd.notna(value)} for arm, row in rows.items()}


def _row(params: Params, results: pd.DataFrame, arm: str, of_arm: pd.DataFrame) -> dict[str, Any]:
    curves = [chain.sort_values("generation")["fid"].to_numpy() for _, chain in of_arm.groupby("seed", sort=False)]
    units = _references(params, results, of_arm["seed"].unique().tolist())
    length = min(map(len, curves))
    row: dict[str, Any] = {"arm": arm, "seeds": len(curves), "generations": length, "control": arm == control_arm(params)}
    row["end_mean"] = float(np.mean([tail(curve).mean() for curve in curves]))
    row["end_over"] = len(tail(curves[0]))
    slope = Interval(np.nan, np.nan, np.nan)
    if length > 1:
        stacked = np.array([curve[:length] for curve in curves]).clip(min=TINY)
        slope = bootstrap(stacked, log_slope) if len(curves) > 1 else Interval(log_slope(stacked), np.nan, np.nan)
    factor = _ratio(curves, units)
    growth = _ratio(curves, np.array([curve[0] for curve in curves]))
    for name, interval in (("slope", slope), ("factor", factor), ("growth", growth)):
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row | {"verdict": _verdict(length, slope.value > 0, factor, growth)}


def _verdict(generations: int, rises: bool, factor: Interval, growth: Interval) -> str:
    if generations < ENOUGH:
        return EARLY
    if factor.value > MARGIN:
        return COLLAPSED if factor.low > 1 and rises else UNCLEAR
    return DRIFTED if min(factor.low, growth.low) > 1 and rises else STABLE


def _references(params: Params, results: pd.DataFrame, seeds: list[int]) -> NDArray[np.float64]:
    """The FID that each seed's end is held against; the mean over all seeds for a seed that has none."""
    control = results[results["arm"] == control_arm(params)]
    if control.empty:
        control = results[(results["arm"] == plain_arm(params)) & (results["generation"] == 1)]
    by_seed = control.groupby("seed")["fid"].mean()
    return np.array([by_seed.get(seed, by_seed.mean()) for seed in seeds], dtype=np.float64).clip(min=TINY)


def _ratio(curves: list[NDArray[np.float64]], units: NDArray[np.float64]) -> Interval:
    """The mean of the chains' ends over the mean of their units, with its interval."""
    ends = np.array([tail(curve).mean() for curve in curves])
    pairs = np.stack([ends, units.clip(min=TINY)], axis=1)
    if len(curves) > 1:
        return bootstrap(pairs, lambda picked: float(picked[:, 0].mean() / picked[:, 1].mean()))
    end = tail(curves[0])
    low, high = np.quantile(end, [0.1, 0.9]) / pairs[0, 1] if len(end) > 1 else (np.nan, np.nan)
    return Interval(float(ends[0] / pairs[0, 1]), float(low), float(high))


def reference_name(params: Params, results: pd.DataFrame) -> str:
    """What `factor` divides by, in words."""
    control = control_arm(params)
    if control is not None and (results["arm"] == control).any():
        return f"that of the control {control} (real data alone, same budget)"
    return f"that of {plain_arm(params)}'s generation 1"


def headline(params: Params, results: pd.DataFrame, table: pd.DataFrame, costs: pd.DataFrame) -> list[str]:
    """The answer in a few sentences: which arm collapsed, by what factor, how certain that is, and what not to collapse cost.

    Args:
        params: the experiment.
        results: the finished generations.
        table: of `mad`.
        costs: of `pipeline.reporting.costs.costs`.
    """
    if table.empty:
        return ["No generation is finished yet."]
    judged = table[~table["control"] & (table["verdict"] != EARLY)] if len(params.arms) > 1 else table
    if judged.empty or (judged["verdict"] == EARLY).all():
        return [f"Too early for a verdict, which takes {ENOUGH} generations of a chain; {len(results)} are finished in all."]
    order = list(WORDS)
    rows = judged.assign(rank=judged["verdict"].map(order.index)).sort_values("rank", kind="stable").to_dict("records")
    sentences = [] if (judged["verdict"] == COLLAPSED).any() else ["No arm has collapsed."]
    unit = reference_name(params, results)
    sentences += [_sentence(row, unit) + _cost(params, row, costs) + "." for row in rows]
    return [*sentences, _certainty(judged) + _unit_spread(params, results)]


def _sentence(row: dict[Any, Any], unit: str) -> str:
    text = (
        f"{row['arm']} {WORDS[row['verdict']]}: its FID over the last {row['end_over']} of {row['generations']} generations, "
    )
    text += f"{figure_text(row['end_mean'])}, is {_times(row, 'factor')} {unit}"
    if row["growth"] != row["factor"]:  # else both are over the same generation 1
        text += f", and {_times(row, 'growth')} that of its own generation 1"
    return text


def _times(row: dict[Any, Any], name: str) -> str:
    return f"{figure_text(row[name])} times ({figure_text(row[f'{name}_low'])} to {figure_text(row[f'{name}_high'])})"


def _cost(params: Params, row: dict[Any, Any], costs: pd.DataFrame) -> str:
    """What an arm costs beyond the plain one, where it differs."""
    plain, mine = plain_arm(params), costs[costs["arm"] == row["arm"]] if len(costs) else costs
    if row["arm"] == plain or mine.empty or plain not in set(costs["arm"]):
        return ""
    words = {
        "times_images": "times the training images",
        "times_evaluations": "times the network evaluations of sampling",
        "times_seconds": "times the seconds",
    }
    parts = [f"{mine[key].iloc[0]:.2f} {text}" for key, text in words.items() if pd.notna(mine[key].iloc[0])]
    return (
        f"; a generation costs {' and '.join([', '.join(parts[:-1])] * (len(parts) > 1) + parts[-1:])} of {plain}'s"
        if parts
        else ""
    )


def _certainty(judged: pd.DataFrame) -> str:
    """Where the numbers in brackets come from."""
    seeds, over = int(judged["seeds"].min()), int(judged["end_over"].max())
    if seeds > 1:
        few = ", and rough with so few" if seeds < 10 else ""
        return f"In brackets: 95 % intervals, by the bootstrap over {seeds} seeds{few}."
    within = f"the 10th to the 90th percentile of the last {over} generations, which is the spread within a chain"
    return f"One seed only, so no interval over seeds; in brackets: {within}."


def _unit_spread(params: Params, results: pd.DataFrame) -> str:
    """How much the control's trainings, each independent of the others, differ among themselves."""
    control = results[results["arm"] == control_arm(params)]
    ratios = control["fid"] / control.groupby("seed")["fid"].transform("mean").clip(lower=TINY)
    if len(ratios) < 2:
        return ""
    many = f"{len(ratios)} independent trainings on real data alone"
    return f" The control's {many} have {figure_text(ratios.min())} to {figure_text(ratios.max())} times their mean."

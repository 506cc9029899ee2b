"""Did an arm go MAD? The verdict of every arm, and what it rests on, from the results alone."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.intervals import Interval, bootstrap, columns, log_slope
from pipeline.experiment.params import Params
from pipeline.views.report.results import control_arm, plain_arm, tail

MARGIN = 2.0
"""Trainings on the same real data differ among themselves by about this factor: less is no collapse."""
COLLAPSED, UNCLEAR, DRIFTED, STABLE, EARLY, FAILED = "collapsed", "unclear", "drifted", "stable", "too early", "failed"
"""The verdicts; the last two say why there is none."""
ENOUGH = 8
"""Generations whose end (a quarter) is more than one."""
TINY = 1e-12
UNKNOWN = Interval(np.nan, np.nan, np.nan)
MEANING = (
    f"Collapsed (MAD): the mean FID of the end is more than {MARGIN:g} times the reference (the arm's own generation 1 where"
    " that is missing), its interval lies above 1, and the curve rises; unclear: more, but without the one or the other;"
    f" drifted: at most {MARGIN:g} times, but both intervals lie above 1 and the curve rises; stable: none of these; too early:"
    f" no chain has {ENOUGH} generations; failed: the same, and every chain has failed. Seeds with fewer than {ENOUGH}"
    " generations, or with less than half of the longest chain's, are left out; all is over the generations that the others"
    " have in common"
)
Floats = NDArray[np.float64]
State = dict[str, Any]
"""How far a chain is: a row of `pipeline.views.report.states.progress`."""


def mad(params: Params, results: pd.DataFrame, states: Sequence[State] = ()) -> pd.DataFrame:
    """A row an arm, also where it has no generation but a state: its verdict, and what it rests on.

    slope: of log10 FID over the generations by least squares, the mean over the seeds. factor: the mean FID of the end over
    the reference, which is the control's mean FID (generation 1 of the plain arm where there is no control) of the same seed.
    growth: the same over the arm's own generation 1. Each with _low and _high: a 95 % bootstrap interval over seeds; with one
    seed the slope has none, and the others give the 10th and 90th percentile of the chain's end, if that is more than one.

    factor_geometric_mean, _median, _quarter, _three_quarters: of the seeds' own factors; _fresh_low and _fresh_high: where the
    median of as many fresh seeds lies, at 95 %.

    seeds: how many are compared, of so many chains, over so many generations, which each of them has; left_out: the others, in
    words; all of them where none is long enough for a verdict; cut: those compared that have failed before their end.
    """
    named = {*results["arm"], *(state["arm"] for state in states)}
    return pd.DataFrame([_row(params, results, arm, states) for arm in params.arms if arm in named])


def shown(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of `mad` for the page, with the number of chains beside that of the seeds that the verdict is of."""
    rows = table.to_dict("records")
    return [row | {"seeds": f"{row['seeds']} of {row['chains']}"} if row["seeds"] < row["chains"] else row for row in rows]


def summary(table: pd.DataFrame) -> dict[str, dict[str, float | str]]:
    """The verdicts of `mad` for `dvc metrics show` and `dvc exp show`: a few numbers an arm."""
    keys = {"end_mean": "fid", "factor": "factor", "growth": "growth", "slope": "slope", "verdict": "verdict"}
    rows = {row["arm"]: {name: row[key] for key, name in keys.items()} for row in table.to_dict("records")}
    return {str(arm): {key: value for key, value in row.items() if pd.notna(value)} for arm, row in rows.items()}


def _row(params: Params, results: pd.DataFrame, arm: str, states: Sequence[State]) -> dict[str, Any]:
    of_arm = results[results["arm"] == arm]
    chains = {seed: chain.sort_values("generation")["fid"].to_numpy() for seed, chain in of_arm.groupby("seed", sort=False)}
    state = {each["seed"]: str(each["state"]) for each in states if each["arm"] == arm}
    chosen, enough = compared(chains), max(map(len, chains.values()), default=0) >= ENOUGH
    without = [seed for seed in (state or chains) if not enough or seed not in chosen]
    cut = [seed for seed in chosen if enough and state.get(seed, "").startswith("failed")]
    row: dict[str, Any] = {"arm": arm, "seeds": len(chosen), "chains": len(state or chains)}
    row |= {
        "control": arm == control_arm(params),
        "left_out": _named(without, chains, state),
        "cut": _named(cut, chains, state),
    }
    curves = np.array(list(chosen.values()))
    slope, factor, growth, own = UNKNOWN, UNKNOWN, UNKNOWN, np.array([])
    if len(curves):
        row |= {"generations": curves.shape[1], "end_mean": float(_ends(curves).mean()), "end_over": len(tail(curves[0]))}
        units = _references(params, results, list(chosen))
        factor, growth = _ratio(curves, units), _ratio(curves, curves[:, 0])
        own = _ends(curves) / units
        slope = _slope(curves)
    else:
        row |= {"generations": 0, "end_mean": np.nan, "end_over": 0}
    for name, interval in (("slope", slope), ("factor", factor), ("growth", growth)):
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    row |= columns("factor", own)
    if enough:
        return row | {"verdict": _verdict(slope.value > 0, factor, growth)}
    over = bool(state) and all(each.startswith("failed") for each in state.values())
    return row | {"verdict": FAILED if over else EARLY}


def compared(chains: dict[int, Floats]) -> dict[int, Floats]:
    """The chains that are long enough beside the longest one, over the generations that they have in common."""
    longest = max(map(len, chains.values()), default=0)
    least = max(ENOUGH, longest / 2) if longest >= ENOUGH else 1
    chosen = {seed: chain for seed, chain in chains.items() if len(chain) >= least}
    length = min(map(len, chosen.values()), default=0)
    return {seed: chain[:length] for seed, chain in chosen.items()}


def _slope(curves: Floats) -> Interval:
    if curves.shape[1] < 2:
        return UNKNOWN
    clipped = curves.clip(min=TINY)
    return bootstrap(clipped, log_slope) if len(curves) > 1 else Interval(log_slope(clipped), np.nan, np.nan)


def _named(seeds: list[int], chains: dict[int, Floats], state: dict[int, str]) -> str:
    """Seeds by what became of them, as in "seeds 2, 3 (failed, 1 to 4 generations) and seed 4 (not started, no generation)"."""
    alike: dict[str, list[int]] = {}
    for seed in seeds:
        alike.setdefault(re.split("[:,]", state.get(seed, ""))[0], []).append(seed)
    texts = []
    for became, group in alike.items():
        made = [len(chains.get(seed, ())) for seed in group]
        number = "no generation" if max(made) == 0 else f"{span(made)} generation{'s' * (max(made) > 1)}"
        names = f"seed{'s' * (len(group) > 1)} {', '.join(map(str, group))}"
        texts.append(f"{names} ({became}, {number})" if became else f"{names} ({number})")
    return " and ".join(texts)


def _verdict(rises: bool, factor: Interval, growth: Interval) -> str:
    held = growth if np.isnan(factor.value) else factor
    if held.value > MARGIN:
        return COLLAPSED if held.low > 1 and rises else UNCLEAR
    return DRIFTED if held.low > 1 and growth.low > 1 and rises else STABLE


def _references(params: Params, results: pd.DataFrame, seeds: list[int]) -> Floats:
    """The FID that each seed's end is held against; the mean over all seeds for a seed that has none."""
    control = results[results["arm"] == control_arm(params)]
    if control.empty:
        control = results[(results["arm"] == plain_arm(params)) & (results["generation"] == 1)]
    by_seed = control.groupby("seed")["fid"].mean()
    return np.array([by_seed.get(seed, by_seed.mean()) for seed in seeds], dtype=np.float64).clip(min=TINY)


def _ratio(curves: Floats, units: Floats) -> Interval:
    """The mean of the chains' ends over the mean of their units, with its interval."""
    pairs = np.stack([_ends(curves), units.clip(min=TINY)], axis=1)
    if len(curves) > 1:
        return bootstrap(pairs, lambda picked: float(picked[:, 0].mean() / picked[:, 1].mean()))
    end = tail(curves[0])
    low, high = np.quantile(end, [0.1, 0.9]) / pairs[0, 1] if len(end) > 1 else (np.nan, np.nan)
    return Interval(float(pairs[0, 0] / pairs[0, 1]), float(low), float(high))


def _ends(curves: Floats) -> Floats:
    """The mean of each chain's end: curves [seeds, generations]."""
    return np.array([tail(curve).mean() for curve in curves])


def span(counts: Iterable[int]) -> str:
    """As in "3", or in "3 to 5"."""
    several = sorted(set(counts))
    return " to ".join(map(str, [several[0], several[-1]][: len(several)])) if several else ""

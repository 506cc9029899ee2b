"""The report's answer in words, made from the verdicts and what the arms cost."""

from typing import Any

import pandas as pd

from pipeline.experiment.params import Params
from pipeline.views.report.numerals import figure_text
from pipeline.views.report.results import control_arm, plain_arm
from pipeline.views.report.verdicts import COLLAPSED, DRIFTED, EARLY, ENOUGH, MARGIN, STABLE, TINY, UNCLEAR, span

WORDS = {
    COLLAPSED: "collapsed (MAD)",
    UNCLEAR: "is worse, but without a clear rise",
    DRIFTED: f"drifted, by less than {MARGIN:g} times",
    STABLE: "stayed stable",
}
"""What is said of an arm that has a verdict."""


def reference_name(params: Params, results: pd.DataFrame) -> str:
    """What `factor` divides by, in words."""
    control, plain = control_arm(params), plain_arm(params)
    if control is not None and (results["arm"] == control).any():
        return f"that of the control {control} (real data alone, same budget)"
    if ((results["arm"] == plain) & (results["generation"] == 1)).any():
        return f"that of {plain}'s generation 1"
    return f"a reference that is missing (there is no control yet, and no generation 1 of {plain})"


def headline(params: Params, results: pd.DataFrame, table: pd.DataFrame, costs: pd.DataFrame) -> list[str]:
    """The answer in a few sentences: which arm collapsed, by what factor, how certain that is, and what not to collapse cost.

    Arms that are not judged are named, with the reason.

    Args:
        params: the experiment.
        results: the finished generations.
        table: of `mad`.
        costs: of `pipeline.views.report.costs.costs`.
    """
    if results.empty and (table.empty or (table["verdict"] == EARLY).all()):
        return ["No generation is finished yet."]
    asked = table[~table["control"] | (table["seeds"] == 0)] if len(params.arms) > 1 else table
    has_verdict = asked["verdict"].isin(list(WORDS))
    judged, pending = asked[has_verdict], asked[~has_verdict]
    without = "; ".join(f"{row['arm']}, {row['left_out']}" for row in pending.to_dict("records"))
    unjudged = [f"Not judged, without a chain of {ENOUGH} generations: {without}."] if without else []
    if judged.empty:
        early = f"Too early for a verdict, which takes {ENOUGH} generations of a chain; {len(results)} are finished in all."
        return [early, *unjudged]
    order = list(WORDS)
    rows = judged.assign(rank=judged["verdict"].map(order.index)).sort_values("rank", kind="stable").to_dict("records")
    none = "No arm that is judged has collapsed." if unjudged else "No arm has collapsed."
    sentences = [] if (judged["verdict"] == COLLAPSED).any() else [none]
    unit = reference_name(params, results)
    sentences += [_sentence(row, unit) + _cost(params, row, costs) + "." for row in rows]
    return [*sentences, *unjudged, _certainty(judged) + _unit_spread(params, results)]


def _sentence(row: dict[Any, Any], unit: str) -> str:
    text = f"{row['arm']} {WORDS[row['verdict']]}"
    if row["left_out"]:
        text += f", judged by {row['seeds']} of {row['chains']} seeds, without {row['left_out']}"
    if row["cut"]:
        text += f", but {row['cut']} did not reach the end"
    end = f"the last {row['end_over']} of {row['generations']} generations"
    text += f": its FID over {end}, {figure_text(row['end_mean'])}, is "
    over_own = f"{_times(row, 'growth')} that of its own generation 1"
    if row["control"]:
        return f"{text}{over_own}"
    if pd.isna(row["factor"]):
        return f"{text}{over_own}, which is all that there is to hold it against"
    text += f"{_times(row, 'factor')} {unit}{_over_seeds(row)}"
    same = row["growth"] == row["factor"]  # both are over the same generation 1
    return text if same else f"{text}, and {over_own}"


def _times(row: dict[Any, Any], name: str) -> str:
    value, low, high = (figure_text(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value} times ({low} to {high})" if low else f"{value} times"


def _over_seeds(row: dict[Any, Any]) -> str:
    """Median and geometric mean of the seeds' own factors, which a single far one does not move as it moves their mean."""
    if row["seeds"] < 2 or pd.isna(row["factor_median"]):
        return ""
    median, geometric, low, high = (
        figure_text(row[f"factor_{name}"]) for name in ("median", "geometric_mean", "fresh_low", "fresh_high")
    )
    return f" (seed by seed: median {median}, that of as many fresh seeds {low} to {high}, geometric mean {geometric})"


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
    several, single = judged[judged["seeds"] > 1], judged[judged["seeds"] == 1]
    last = f"the last {span(single['end_over'])} generations"
    within = f"the 10th to the 90th percentile of {last}, which is the spread within a chain"
    if several.empty:
        return f"One seed only, so no interval over seeds; in brackets: {within}."
    few = ", and rough with so few" if several["seeds"].min() < 10 else ""
    text = f"In brackets: 95 % intervals, by the bootstrap over {span(several['seeds'])} seeds{few}"
    return f"{text}; for {', '.join(single['arm'])}, of one seed only: {within}." if len(single) else f"{text}."


def _unit_spread(params: Params, results: pd.DataFrame) -> str:
    """How much the control's trainings, each independent of the others, differ among themselves."""
    control = results[results["arm"] == control_arm(params)]
    ratios = control["fid"] / control.groupby("seed")["fid"].transform("mean").clip(lower=TINY)
    if len(ratios) < 2:
        return ""
    many = f"{len(ratios)} independent trainings on real data alone"
    return f" The control's {many} have {figure_text(ratios.min())} to {figure_text(ratios.max())} times their mean."

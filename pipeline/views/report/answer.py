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
FEW = 4
"""Up to so many arms have a sentence each; more have one together, and a table."""


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

    Arms that are not judged are named, with the reason. Where more than a few are judged, the first sentence is of them all,
    and `answer_table` has their figures.

    Args:
        params: the experiment.
        results: the finished generations.
        table: of `mad`.
        costs: of `pipeline.views.report.costs.costs`.
    """
    if results.empty and (table.empty or (table["verdict"] == EARLY).all()):
        return ["No generation is finished yet."]
    judged, pending = _judged(params, table)
    without = "; ".join(f"{row['arm']}, {row['left_out']}" for row in pending.to_dict("records"))
    unjudged = [f"Not judged, without a chain of {ENOUGH} generations: {without}."] if without else []
    if judged.empty:
        early = f"Too early for a verdict, which takes {ENOUGH} generations of a chain; {len(results)} are finished in all."
        return [early, *unjudged]
    rows = judged.to_dict("records")
    if len(rows) > FEW:
        return [_together(judged), *unjudged, _certainty(judged) + _unit_spread(params, results)]
    none = "No arm that is judged has collapsed." if unjudged else "No arm has collapsed."
    sentences = [] if (judged["verdict"] == COLLAPSED).any() else [none]
    unit = reference_name(params, results)
    sentences += [_sentence(row, unit) + _cost(params, row, costs) + "." for row in rows]
    return [*sentences, *unjudged, _certainty(judged) + _unit_spread(params, results)]


def answer_table(params: Params, table: pd.DataFrame, costs: pd.DataFrame) -> list[dict[str, str]]:
    """The figures of the answer, a row an arm, the collapsed ones first; none where every arm has a sentence of its own.

    Columns: arm, verdict, seeds, `FID of the end`, factor, `end / own generation 1` and, where costs are known, `training
    images` and `evaluations` of a generation in those of the plain arm.
    """
    judged, _ = _judged(params, table)
    if len(judged) <= FEW:
        return []
    return [_figures(row) | _times_of_plain(row["arm"], costs) for row in judged.to_dict("records")]


def _figures(row: dict[Any, Any]) -> dict[str, str]:
    cut = ", then failed" if row["cut"] else ""
    return {
        "arm": row["arm"],
        "verdict": f"{row['verdict']}{cut}",
        "seeds": f"{row['seeds']} of {row['chains']}" if row["seeds"] < row["chains"] else str(row["seeds"]),
        "FID of the end": figure_text(row["end_mean"]),
        "factor": _with_interval(row, "factor"),
        "end / own generation 1": _with_interval(row, "growth"),
    }


def _times_of_plain(arm: str, costs: pd.DataFrame) -> dict[str, str]:
    mine = costs[costs["arm"] == arm] if len(costs) else costs
    if mine.empty:
        return {}
    names = {"training images": "times_images", "evaluations": "times_evaluations"}
    return {name: f"{mine[key].iloc[0]:.2f}" if pd.notna(mine[key].iloc[0]) else "" for name, key in names.items()}


def _judged(params: Params, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The arms that are asked after: those that have a verdict, the worst first, and the others."""
    asked = table[~table["control"] | (table["seeds"] == 0)] if len(params.arms) > 1 else table
    has_verdict, order = asked["verdict"].isin(list(WORDS)), list(WORDS)
    judged = asked[has_verdict].sort_values("verdict", kind="stable", key=lambda verdicts: verdicts.map(order.index))
    return judged, asked[~has_verdict]


def _together(judged: pd.DataFrame) -> str:
    """All arms in one sentence, as in "Of 6 arms 1 collapsed (MAD): standard; 5 stayed stable: sims, neon, ..."."""
    parts = []
    for verdict, words in WORDS.items():
        arms = judged.loc[judged["verdict"] == verdict, "arm"]
        if len(arms):
            is_worse = words.replace("is worse", "are worse", 1) if len(arms) > 1 else words
            parts.append(f"{len(arms)} {is_worse}: {', '.join(arms)}")
    if not (judged["verdict"] == COLLAPSED).any():
        parts.insert(0, "none collapsed")
    return f"Of {len(judged)} arms {'; '.join(parts)}."


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
    value, *interval = _with_interval(row, name).partition(" ")
    return f"{value} times{''.join(interval)}"


def _with_interval(row: dict[Any, Any], name: str) -> str:
    value, low, high = (figure_text(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})" if low else value


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

"""What an arm costs: images seen, network evaluations and seconds a generation, and how many times the plain arm's that is."""

import pandas as pd

from pipeline.layout import Layout
from pipeline.params import Params
from pipeline.reporting.results import plain_arm
from pipeline.reporting.timetable import steps_of, timings

AMOUNTS = {"images_seen": "times_images", "nfe": "times_nfe", "seconds": "times_seconds"}


def step_seconds(layout: Layout) -> pd.DataFrame:
    """Every generation's steps: columns chain, step, generation, seconds; one made twice counts with its last making."""
    rows = timings(layout).query("generation.notna()")
    return rows.drop_duplicates(["chain", "step", "generation"], keep="last")


def costs(params: Params, results: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: means a generation of images_seen, nfe (a sample) and seconds, times_* of the plain arm's, share a step.

    Generation 1 is left out of the seconds where there are others: its base model is trained once for all arms. Seconds are
    missing where nothing was measured, as after `dvc pull`.
    """
    computing = steps_of(steps)
    arms = steps["chain"].str.split("/").str[0]
    rows = []
    for arm, of_arm in results.groupby("arm", sort=False):
        mine = steps[(arms == arm) & steps["step"].isin(computing)]
        later = mine[mine["generation"] > 1]
        mine = later if len(later) else mine
        sums = mine.groupby("step")["seconds"].sum()
        made = len(mine[["chain", "generation"]].drop_duplicates())
        row = {"arm": arm, "images_seen": _mean(of_arm, "images_seen"), "nfe": _mean(of_arm, "nfe")}
        row |= {"seconds": sums.sum() / made if made else float("nan")}
        row |= {step: sums.get(step, float("nan")) / sums.sum() for step in computing}
        rows.append(row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    plain = table[table["arm"] == plain_arm(params)]
    for amount, times in AMOUNTS.items():
        table[times] = table[amount] / plain[amount].iloc[0] if len(plain) else float("nan")
    return table


def _mean(of_arm: pd.DataFrame, column: str) -> float:
    return float(of_arm[column].mean()) if column in of_arm else float("nan")

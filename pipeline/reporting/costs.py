"""What a generation costs: training images, network evaluations of sampling, seconds; each in times the plain arm's."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.chains import Chain
from pipeline.layout import Layout
from pipeline.measures.evaluation import SELECTION_SAMPLES
from pipeline.params import Params
from pipeline.reporting.results import plain_arm
from pipeline.reporting.timetable import steps_of, timings
from pipeline.steps import CANDIDATES, Job

AMOUNTS = {"images_seen": "times_images", "evaluations": "times_evaluations", "nfe": "times_nfe", "seconds": "times_seconds"}


def step_seconds(layout: Layout) -> pd.DataFrame:
    """Every generation's steps: columns chain, step, generation, seconds; one made twice counts with its last making."""
    rows = timings(layout).query("generation.notna()")
    return rows.drop_duplicates(["chain", "step", "generation"], keep="last")


def costs(params: Params, results: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: means a generation of images_seen, evaluations and seconds, times_* of the plain arm's, share a step.

    Beside it nfe, the evaluations that one sample of the output takes. Generation 1 is left out of the seconds where there are
    others: its base model is trained once for all arms. Seconds are missing where nothing was measured, as after `dvc pull`.
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
        row |= {"evaluations": float(np.mean([evaluations(params, *each) for each in _generations(of_arm)]))}
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


def evaluations(params: Params, chain: Chain, generation: int, nfe: int) -> int:
    """Network evaluations, each of one sample, for all that a generation draws.

    That is its output at `nfe` a sample, S (or what the base is judged by), and what `guidance: auto` judges its candidates by.
    """
    job, each = Job(params, chain, generation, Path()), 2 * params.sampler.steps - 1
    tried = (job.arm.candidates or CANDIDATES) if job.arm.guidance == "auto" else []
    networks = sum(job.strategy.networks if w else 1 for w in tried)
    return job.n_candidates * nfe + job.n_drawn * each + SELECTION_SAMPLES * networks * each


def _generations(of_arm: pd.DataFrame) -> list[tuple[Chain, int, int]]:
    columns = of_arm[["arm", "seed", "generation", "nfe"]].itertuples(index=False)
    return [(Chain(arm, int(seed)), int(generation), int(nfe)) for arm, seed, generation, nfe in columns]


def _mean(of_arm: pd.DataFrame, column: str) -> float:
    return float(of_arm[column].mean()) if column in of_arm else float("nan")

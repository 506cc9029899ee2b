"""What a generation costs: training images, network evaluations of sampling, seconds; each in times the plain arm's."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import STRATEGIES
from pipeline.experiment.params import Params
from pipeline.generation.choosing import CANDIDATES, SELECTION_SAMPLES
from pipeline.generation.job import Job
from pipeline.making.launching import JUDGE
from pipeline.storage.layout import Layout
from pipeline.views.report.results import plain_arm
from pipeline.views.report.timetable import steps_of, timings

AMOUNTS = {"images_seen": "times_images", "evaluations": "times_evaluations", "nfe": "times_nfe", "seconds": "times_seconds"}


def step_seconds(layout: Layout) -> pd.DataFrame:
    """Every generation's steps: columns chain, step, generation, seconds; one made twice counts with its last making."""
    rows = timings(layout).query("generation.notna()")
    return rows.drop_duplicates(["chain", "step", "generation"], keep="last")


def costs(params: Params, results: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: means a generation of images_seen, evaluations and seconds, times_* of the plain arm's, share a step.

    Beside it nfe, the evaluations that one sample of the output takes. Seconds are those of the generations in `results`;
    missing where nothing was measured, as after `dvc pull`.
    """
    computing = steps_of(steps)
    rows = []
    for arm, of_arm in results.groupby("arm", sort=False):
        mine = _typical(_noted(of_arm, steps[steps["step"].isin([*STRATEGIES[params.arms[str(arm)].strategy].steps, JUDGE])]))
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
        one = plain[amount].iloc[0] if len(plain) else float("nan")
        table[times] = table[amount] / (one or float("nan"))  # a checkpoint that is taken as it is sees no images
    return table


def evaluations(params: Params, chain: Chain, generation: int, nfe: int) -> int:
    """Network evaluations, each of one sample, for all that a generation draws.

    That is its output at `nfe` a sample, S (or what the base is judged by), and what `guidance: auto` judges its candidates by.
    """
    job, each = Job(params, chain, generation, Path()), params.sampler.evaluations
    tried = (job.arm.candidates or CANDIDATES) if job.arm.guidance == "auto" else []
    return job.n_candidates * nfe + job.n_drawn * each + SELECTION_SAMPLES * sum(map(job.evaluations, tried))


def _noted(of_arm: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of an arm's generations that are in its results: notes of other params, and of failures, are left out."""
    made = {(str(chain), generation) for chain, generation, _ in _generations(of_arm)}
    return steps[[each in made for each in zip(steps["chain"], steps["generation"])]] if len(steps) else steps


def _typical(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of generations that were made whole by one process, where there are any; else of those after the first.

    Generation 1 takes a base model that is trained once for all arms. The one that a later process of the chain begins with may
    go on from a checkpoint, of which only the rest is noted: a step that is stopped leaves no note, and one that was finished
    before its generation was stopped is soon done again.
    """
    continued = steps[steps["generation"] > steps.groupby(["chain", "pid"])["generation"].transform("min")]
    later = steps[steps["generation"] > 1]
    return next((rows for rows in (continued, later) if len(rows)), steps)


def _generations(of_arm: pd.DataFrame) -> list[tuple[Chain, int, int]]:
    columns = of_arm[["arm", "seed", "generation", "nfe"]].itertuples(index=False)
    return [(Chain(arm, int(seed)), int(generation), int(nfe)) for arm, seed, generation, nfe in columns]


def _mean(of_arm: pd.DataFrame, column: str) -> float:
    return float(of_arm[column].mean()) if column in of_arm else float("nan")

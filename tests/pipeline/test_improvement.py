"""Study `improvement`: choosing and reporting are apart, and the auxiliary is looked at along one fine-tuning."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.experiment.params import load
from pipeline.generation.job import draw, fit_model, load_model
from pipeline.making.shared import make_shared
from pipeline.storage.layout import BASE
from pipeline.studies.bench.fine_tuning import fine_tuned
from pipeline.studies.bench.study import Bench
from pipeline.studies.pages.improvement.optimum import best_guidances, falls, lowest
from pipeline.studies.pages.improvement.page import plot, selected, split, summary
from pipeline.studies.points.improvement.point import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(selection_seeds=[100], budgets=[64, 128], guidances=[0.0, 1.0, 2.0, 3.0, 4.0], strategies=["sims"])


def grid(optima: dict[int, dict[int, float]]) -> pd.DataFrame:
    """FIDs of parabolas over w whose lowest points are given: seed -> budget -> w."""
    return pd.DataFrame(
        {
            "seed": seed,
            "n": 1000,
            "strategy": "sims",
            "budget": budget,
            "w": w,
            "fid": 20.0 if w == 0 else 10 + (w - best) ** 2 + budget / 64,
            "fid_base": 20.0,
            "floor": 5.0,
            "floor_n": 1200,
        }
        for seed, of_budget in optima.items()
        for budget, best in of_budget.items()
        for w in SETTINGS.guidances
    )


def test_the_place_is_chosen_on_the_selection_seeds_and_its_gain_is_of_the_others() -> None:
    rows = grid({100: {64: 2.0, 128: 3.0}, 0: {64: 1.0, 128: 1.0}, 1: {64: 3.0, 128: 1.0}})
    chosen, reported = split(SETTINGS, rows)
    assert set(chosen["seed"]) == {100}
    assert set(reported["seed"]) == {0, 1}
    assert selected(chosen, "sims") == {"n": 1000, "budget": 64, "w": 2.0}
    row = summary(SETTINGS, rows).tables["selected"].iloc[0]
    assert (row["w"], row["fid"], row["seeds"]) == (2.0, pytest.approx(12), 2)
    others = rows.assign(fid=rows["fid"].where(rows["seed"] == 100, 1000 - rows["fid"]))
    assert summary(SETTINGS, others).tables["selected"].iloc[0]["w"] == 2.0


def test_what_diverged_is_never_chosen() -> None:
    rows = grid({100: {64: 2.0, 128: 2.0}, 0: {64: 2.0, 128: 2.0}})
    rows.loc[rows["w"] == 2.0, "fid"] = None
    assert selected(split(SETTINGS, rows)[0], "sims")["w"] in (1.0, 3.0)
    assert plot(SETTINGS, rows).axes


def test_the_best_w_lies_between_the_grids_and_has_an_interval_over_seeds() -> None:
    w = np.array([0.0, 1.0, 1.5, 3.0])
    assert lowest(w, (w - 1.4) ** 2) == pytest.approx(1.4)
    assert lowest(w, (w - 9) ** 2) == 3
    assert lowest(w, np.array([4.0, 2.0, 1.0, np.inf])) == 1.5
    rows = grid({0: {64: 2.5, 128: 1.5}, 1: {64: 2.9, 128: 1.9}})
    best = best_guidances(rows).set_index("budget")
    assert tuple(best.loc[64, ["best_w", "best_w_low", "best_w_high"]]) == pytest.approx((2.7, 2.5, 2.9))
    change = falls(rows).iloc[0]
    assert (change["w a doubling"], change["low"], change["high"]) == pytest.approx((-1, -1, -1))


def test_the_auxiliary_at_a_budget_is_what_a_fine_tuning_of_that_length_gives(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    smoke = load(ROOT / "presets" / "smoke.yaml")
    arms = {"plain": smoke.arms["standard"]}
    constant = smoke.auxiliary.model_copy(update={"schedule": "constant", "warmup": 0.0, "steps": 64})
    short = smoke.train.model_copy(update={"steps": 20})
    params = smoke.model_copy(update={"arms": arms, "auxiliary": constant, "train": short})
    monkeypatch.chdir(tmp_path)
    make_shared(params)
    bench = Bench(params, SETTINGS, {"seed": 0, "n": 200})
    job = bench.base()
    base = load_model(job, BASE)
    drawn = draw(job, base, "auxiliary", 200)
    kept = fine_tuned(job, base, drawn, [64, 128]).kept
    whole = fit_model(job, base, drawn, constant, "fine-tune").state_dict()
    assert list(kept) == [64, 128]
    assert all((value == whole[name]).all() for name, value in kept[64].items())
    assert any((value != whole[name]).any() for name, value in kept[128].items())

"""What studies say of rows of numbers, what they do where trajectories diverge, and their points in MLflow."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.analysis.intervals import bootstrap, log_slope
from pipeline.data.samples import Labelled
from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.params import load
from pipeline.generation.choosing import choose
from pipeline.making.shared import make_shared
from pipeline.storage.files import write_array, write_json
from pipeline.storage.layout import Layout
from pipeline.studies.bench.study import Bench, guided_fid, load_study
from pipeline.studies.pages.pollution.page import break_even
from pipeline.studies.recipe import recipe
from pipeline.views.mlflow.point_runs import PointTracker, rebuild
from pipeline.views.mlflow.store import Store

prophylaxis, pollution = STUDIES["prophylaxis"], STUDIES["pollution"]
ROOT = Path(__file__).resolve().parents[2]
GENERATIONS = range(1, 11)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def chains(**rows: Any) -> pd.DataFrame:
    """Ten generations of a control at 0.02 and of an arm that is 2 and 4 times as bad on two seeds; `rows` for the arm."""
    made = [
        {"arm": arm, "seed": seed, "generation": t, "fid": 0.02 * factor, "floor": 0.002, "floor_n": 500}
        | (rows if arm == "arm" else {})
        for arm, factors in (("arm", (2, 4)), ("real", (1, 1)))
        for seed, factor in enumerate(factors)
        for t in GENERATIONS
    ]
    return pd.DataFrame(made)


def labels_of(figure: plt.Figure) -> list[str]:
    return [str(line.get_label()) for axes in figure.axes for line in axes.lines]


def test_an_arms_end_is_in_units_of_the_control_of_the_same_seed_with_its_interval() -> None:
    settings = prophylaxis.settings(control="real")
    text, tables = prophylaxis.summary(settings, chains())
    row = next(iter(tables.values())).set_index("arm").loc["arm"]
    assert (row["end"], row["end_low"], row["end_high"]) == pytest.approx((3, 2, 4))
    assert (row["end_least"], row["later_most"]) == pytest.approx((2, 4))
    assert row["slope"] == pytest.approx(0, abs=1e-12)
    assert "arm: the last 2 of 10 generations are 3 (2 to 4) times the control, 2 seeds" in text


def test_theory_and_lost_modes_are_shown_beside_what_is_measured_where_there_are_any() -> None:
    settings = prophylaxis.settings(control="real")
    assert labels_of(prophylaxis.plot(settings, chains()))[-1] == "floor: 500 real samples"
    rows = chains(predicted=0.01, modes_lost=3)
    row = prophylaxis.summary(settings, rows).tables
    ends = row["arms, in units of the control of the same seed"].set_index("arm").loc["arm"]
    assert (ends["end_predicted"], ends["modes_lost"]) == pytest.approx((0.5, 3))
    lost = row["modes lost, the mean over seeds"]
    assert list(lost["generation"]) == list(GENERATIONS)
    assert (lost["arm"] == 3).all()
    figure = prophylaxis.plot(settings, rows)
    assert [axes.get_ylabel() for axes in figure.axes] == ["FID", "modes lost"]
    assert "arm, predicted" in labels_of(figure)


def test_the_slope_is_the_mean_of_the_seeds_slopes() -> None:
    steep, flat = 1.2 ** np.arange(20), 100 * np.ones(20)
    assert log_slope(np.array([steep, flat])) == pytest.approx(np.log10(1.2) / 2)
    assert bootstrap(np.array([steep, flat]), log_slope).low == pytest.approx(0, abs=1e-12)


def test_the_break_even_is_where_the_difference_first_becomes_positive() -> None:
    shares = np.array([0.0, 0.5, 1.0])
    assert break_even(shares, np.array([-1.0, -1.0, 3.0])) == pytest.approx(0.625)
    assert break_even(shares, np.array([1.0, -1.0, 3.0])) == 0
    assert break_even(shares, np.array([-1.0, -1.0, -1.0])) == 1
    assert break_even(shares, np.array([-1.0, math.inf, math.inf])) == 0


def test_pollution_reports_the_break_even_and_takes_what_diverged_for_infinitely_bad() -> None:
    rows = pd.DataFrame(
        {"seed": seed, "share": share, "w": w, "fid": fid, "fid_unpolluted": 10.0, "floor": 5.0, "floor_n": 1200}
        for seed in (0, 1)
        for share, fids in ((0.0, (10.5, 8.0)), (1.0, (14.0, 9.0)), (2.0, (18.0, None)))
        for w, fid in zip((0.0, 1.0), fids)
    )
    settings = pollution.settings(guidances=[0.0, 1.0])
    text, tables = pollution.summary(settings, rows)
    assert "standard training is better than the unpolluted base up to |D_p| = 0 |D_r|" in text
    assert "SIMS (w = 1) is better than the unpolluted base up to |D_p| = 1 |D_r| (1 to 1, 2 seeds" in text
    assert math.isinf(next(iter(tables.values()))["fid"].iloc[-1])
    assert "floor: 1200 real samples" in labels_of(pollution.plot(settings, rows))


def test_a_candidate_that_diverges_is_never_chosen_and_all_of_them_are_an_error(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    smoke = load(ROOT / "presets" / "smoke.yaml")
    params = smoke.model_copy(update={"evaluation": smoke.evaluation.model_copy(update={"selection": 300})})
    monkeypatch.chdir(tmp_path)
    make_shared(params)

    def draw(w: float, n: int) -> Labelled:
        if w > 1:
            raise FloatingPointError("diverged")
        return Labelled(np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32) * (2 - w))

    assert choose(params, 0, [2.0, 0.0, 1.0], draw)["guidance"] in (0.0, 1.0)
    with pytest.raises(FloatingPointError, match=r"every one of the candidates \[2.0, 3.0\]"):
        choose(params, 0, [2.0, 3.0], draw)


def test_guided_samples_that_are_not_finite_have_no_fid(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    params = load(ROOT / "presets" / "smoke.yaml")
    monkeypatch.chdir(tmp_path)
    write_array(Layout("smoke").real(0), np.zeros((10, 2), dtype=np.float32))
    job = Bench(params.model_copy(update={"arms": {"plain": params.arms["standard"]}}), None, {"seed": 0}).job(1)
    assert guided_fid(job, lambda x, sigma: torch.full_like(x, torch.inf)) is None
    assert guided_fid(job, lambda x, sigma: x / (1 + sigma**2)) is not None


def test_points_are_runs_of_mlflow_once_and_another_run_where_their_rows_have_changed(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for part in ("presets", "studies"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("points"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    study = load_study("pollution")
    at = study.points[0]
    write_json(study.path(at), [{"w": 0.0, "fid": 3.5}, {"w": 1.0, "fid": None}])
    store = Store("study-pollution")
    for _ in range(2):
        PointTracker(store, study, at).track()

    def points() -> list[Any]:
        runs = store.client.search_runs([store.experiment_id])
        return [run for run in runs if run.data.params]

    (run,) = points()
    assert run.data.params == {"seed": "0", "share": "0.0"}
    assert [(point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, "fid")] == [(0, 3.5)]
    assert [point.value for point in store.client.get_metric_history(run.info.run_id, "w")] == [0.0, 1.0]
    assert rebuild() == 1
    assert len(points()) == 1
    several = study.points[1]
    write_json(
        study.path(several), [{"arm": arm, "generation": 1, "fid": fid} for arm, fid in (("sims", 2.0), ("standard", 3.0))]
    )
    PointTracker(store, study, several).track()
    (both,) = (run for run in points() if run.data.params["share"] == str(several["share"]))
    assert {name: both.data.metrics[name] for name in ("fid/sims", "fid/standard")} == {"fid/sims": 2.0, "fid/standard": 3.0}
    store.client.delete_run(both.info.run_id)
    study.path(several).unlink()
    study.path(at).write_text(json.dumps([{"w": 0.0, "fid": 4.5}]))
    assert rebuild() == 1
    assert sorted(run.data.metrics["fid"] for run in points()) == [3.5, 4.5]


def test_a_studys_page_depends_on_what_draws_it(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(ROOT)
    page = recipe(load_study("control")).partition("  page:")[2]
    for path in ("analysis", "views/report", "studies/page", "studies/pages/control"):
        assert f"    - pipeline/{path}\n" in page
    points = recipe(load_study("control")).partition("  page:")[0]
    assert "pipeline/studies/points/control" in points
    assert "pages" not in points

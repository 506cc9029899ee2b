"""What is written to MLflow of chains, in whatever order, and what its own monitor writes of the machine."""

import json
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.generation.job import thinned
from pipeline.storage.layout import RUNNER, Layout
from pipeline.storage.ownership import owned
from pipeline.storage.within import Told
from pipeline.views.mlflow.chain_runs import ChainTracker, rebuild, store_of
from pipeline.views.mlflow.monitor import machine_watched
from pipeline.views.mlflow.naming import grouped
from pipeline.views.mlflow.store import Store, curves, pages

SIMS = Chain("sims", 0)


def generations(*numbers: int) -> list[Path]:
    return [Layout("smoke").generation(SIMS, number) for number in numbers]


def whole(made: int = 2) -> tuple[set[tuple[str, str, int]], set[tuple[str, int]]]:
    """What there must be of the chain: every number of metrics.json and every loss, and a picture a generation."""
    points = set()
    before = Counter[str]()
    for number, folder in enumerate(generations(*range(1, made + 1)), start=1):
        metrics = json.loads((folder / "metrics.json").read_text())
        words = {"generation", "extractor", "reference", "environment", "nfe", "images_seen", "guidance"}
        points |= {("sims/seed0", grouped(key), number) for key in metrics.keys() - words if not key.startswith("n_")}
        for name, curve in json.loads((folder / "losses.json").read_text()).items():
            points |= {("sims/seed0 losses", f"loss of {name}", before[name] + step) for step, _ in curve}
            before[name] += curve[-1][0]
    return points, {("sims/seed0", number) for number in range(1, made + 1)}


def once(counted: Counter) -> set:  # type: ignore[type-arg]
    assert set(counted.values()) == {1}
    return set(counted)


def test_generation_by_generation_again_and_by_two_trackers_in_turn_every_point_and_picture_is_there_once(store, finished_copy):
    params = load(Path("params.yaml"))
    of_the_run, of_track = ChainTracker(store, params, SIMS), ChainTracker(store_of(params), params, SIMS)
    of_the_run.track(generations(1))
    of_track.track(generations(1, 2))
    of_track.end()
    of_the_run.track(generations(2))
    of_the_run.end("FINISHED")
    of_track.track(generations(1, 2))
    assert tuple(map(once, finished_copy.tracked())) == whole()


@pytest.mark.parametrize("which", ["sims/seed0", "sims/seed0 losses"])
def test_a_run_that_is_deleted_while_its_chain_goes_on_is_made_anew(store, finished_copy, which):
    tracker = ChainTracker(store, load(Path("params.yaml")), SIMS)
    tracker.track(generations(1))
    with sqlite3.connect("mlflow.db") as db:
        [(deleted,)] = db.execute("select run_uuid from runs where name = ?", (which,)).fetchall()
    store.client.delete_run(deleted)
    tracker.track(generations(1, 2))
    points = {point for point in finished_copy.tracked()[0] if point[0] == which}
    first = 0 if which == str(SIMS) else 1  # losses go on from where they are
    assert {point for point in whole()[0] if point[0] == which and point[2] > 200 * first} <= points


def test_an_experiment_that_was_deleted_on_mlflows_pages_is_rebuilt(store, finished_copy):
    rebuild(load(Path("params.yaml")))
    store.client.delete_experiment(store.experiment_id)
    assert rebuild(load(Path("params.yaml"))) == 2
    assert (
        tuple({each for each in once(counted) if each[0].startswith(str(SIMS))} for counted in finished_copy.tracked())
        == whole()
    )


def test_two_processes_that_begin_at_once_share_one_run(store, monkeypatch):
    other = store_of(load(Path("params.yaml")))
    create = store.client.create_run

    def late(*arguments, **more):  # type: ignore[no-untyped-def]
        theirs.append(other.parent)
        return create(*arguments, **more)

    theirs: list[str] = []
    monkeypatch.setattr(store.client, "create_run", late)
    assert [store.parent] == theirs
    with sqlite3.connect("mlflow.db") as db:
        assert db.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchall() == [(1,)]


def change(folder: Path, name: str = "metrics.json", **values: object) -> None:
    """Give a generation other values, another KID if nothing is said."""
    path = folder / name
    content = json.loads(path.read_text()) | (values or {"kid": 0.125})
    path.unlink()  # it may be a link into DVC's cache
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("writing", "changed"), [(0, False), (1, False), (1, True)])
def test_a_tracker_killed_in_the_middle_of_losses_or_metrics_leaves_nothing_twice(store, finished_copy, writing, changed):
    class Killed(Store):
        """Dies in the middle of losses (0) or metrics (1)."""

        done = 0

        def log(self, run, points):  # type: ignore[no-untyped-def]
            super().log(run, points[: len(points) // 2] if self.done == writing else points)
            if self.done == writing:
                raise KeyboardInterrupt
            self.done += 1

    params = load(Path("params.yaml"))
    with pytest.raises(KeyboardInterrupt):
        ChainTracker(Killed(store.experiment, store.facts), params, SIMS).track(generations(1, 2))
    if changed:
        change(generations(1)[0])
    ChainTracker(store, params, SIMS).track(generations(1, 2))
    assert tuple(map(once, finished_copy.tracked())) == whole()


def test_a_generation_made_anew_with_another_metric_takes_the_old_ones_place_even_with_the_same_fid(store, finished_copy):
    params = load(Path("params.yaml"))
    ChainTracker(store, params, SIMS).track(generations(1, 2))
    change(generations(2)[0])
    for _ in range(2):
        ChainTracker(store, params, SIMS).track(generations(2))
    assert tuple(map(once, finished_copy.tracked())) == whole()
    run = ChainTracker(store, params, SIMS).run
    assert [point.value for point in store.client.get_metric_history(run, "quality/kid")][-1] == 0.125


def test_resolved_params_are_those_of_the_parent_run_and_other_params_have_another(store, finished_copy):
    params = load(Path("params.yaml"))
    ChainTracker(store, params, SIMS).track(generations(1, 2))
    with sqlite3.connect("mlflow.db") as db:
        table = db.execute("select key, value from params natural join runs where name = 'smoke'").fetchall()
    given = dict(table)
    assert len(table) == len(given)
    assert {"device": "cpu", "evaluation.fid_infinity": "False", "engine.workers": "auto"}.items() <= given.items()
    assert {"train.steps": "200", "arms.standard.strategy": "standard"}.items() <= given.items()

    finished_copy.edit("generations: 2", "generations: 5")  # more of the same
    later = load(Path("params.yaml"))
    longer = store_of(later)
    tracker = ChainTracker(longer, later, SIMS)
    tracker.track(generations(1, 2))
    assert longer.parent == store.parent
    assert longer.client.get_run(longer.parent).data.tags["generations"] == "5"
    assert tuple(map(once, finished_copy.tracked())) == whole()

    finished_copy.edit("guidance: 1.0", "guidance: 0.5")  # which the chain of standard does not depend on
    other = store_of(load(Path("params.yaml")))
    assert other.parent != store.parent
    assert other.client.get_run(other.parent).info.run_name == "arms.sims.guidance=0.5"
    standard = Chain("standard", 0)
    mine = [ChainTracker(each, load(Path("params.yaml")), standard).run for each in (store, other)]
    parents = [other.client.get_run(run).data.tags["mlflow.parentRunId"] for run in mine]
    assert parents == [store.parent, other.parent]  # each has a baseline of its own


def test_the_status_in_mlflow_is_that_of_the_chain_and_not_that_of_track(store, finished_copy):
    def status() -> str:
        params = load(Path("params.yaml"))
        rebuild(params)
        return str(store.client.get_run(ChainTracker(store, params, SIMS).run).info.status)

    assert status() == "FINISHED"
    ChainTracker(store, load(Path("params.yaml")), SIMS).begin()
    finished_copy.edit("generations: 2", "generations: 5")
    assert status() == "KILLED"
    finished_copy.edit("generations: 5", "generations: 2")
    assert status() == "FINISHED"
    failure = Layout("smoke").failure(SIMS)
    failure.write_text("the loss is not finite")
    assert status() == "FAILED"
    with owned(Layout("smoke").chain(SIMS), name=RUNNER):
        failure.unlink()
        assert status() == "RUNNING"
        ChainTracker(store, load(Path("params.yaml")), SIMS).end("FINISHED")  # by the run, whose other chains go on
        assert status() == "FINISHED"
    ChainTracker(store, load(Path("params.yaml")), SIMS).begin()
    finished_copy.edit("generations: 2", "generations: 3")
    assert status() == "KILLED"


def test_long_steps_are_written_once_however_often_they_begin_and_go_with_their_chains_run(store, finished_copy):
    params = load(Path("params.yaml"))

    def said(generation: int, step: str, done: int, loss: float | None = 0.5) -> Told:
        return Told(generation, step, done, 1000, 20.0, 50.0, loss, 1, "here")

    tracker = ChainTracker(store, params, SIMS)
    tracker.begin()
    for done in (100, 200, 200, 150):
        tracker.live(said(3, "train", done))
    tracker.live(said(3, "draw synthetic", 100, loss=None))
    again = ChainTracker(store_of(params), params, SIMS)  # by a run after a kill, which goes on from a checkpoint
    for done in (150, 250):
        again.live(said(3, "train", done))
    again.track(generations(1, 2))
    again.end()
    live = {(key, step) for run, key, step in once(finished_copy.tracked()[0]) if run == "sims/seed0 live"}
    curves = {(f"g003 train/{kind}", done) for kind in ("loss", "images per second") for done in (100, 200, 250)}
    assert live == curves | {("g003 draw synthetic/images per second", 100)}
    assert {point for point in finished_copy.tracked()[0] if point[0] != "sims/seed0 live"} == whole()[0]
    runs = {run.info.run_name: run.info.status for run in store.client.search_runs([store.experiment_id])}
    assert runs["sims/seed0 live"] == runs["sims/seed0"] == "FINISHED"
    change(generations(2)[0])
    again.track(generations(2))
    assert not [run for run, _, _ in finished_copy.tracked()[0] if run == "sims/seed0 live"]
    again.live(said(3, "train", 100))  # of the chain's new run
    assert finished_copy.tracked()[0]["sims/seed0 live", "g003 train/loss", 100] == 1


def test_a_password_in_the_stores_address_is_never_shown(finished, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://somebody:secret@host/curves")
    assert curves() == 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://somebody:secret@host/mlflow")
    assert curves() == pages() == "https://host/mlflow"
    secret = "http://somebody:secret@127.0.0.1:9"
    said = finished.run("flows.cli", "track", code=1, MLFLOW_TRACKING_URI=secret)
    assert "MLflow could not be written at http://127.0.0.1:9" in said
    assert "secret" not in said


def test_a_loss_curve_has_at_most_200_points_and_ends_with_the_training():
    assert thinned([3.0, 2.0, 1.0], 130) == [(64, 3.0), (128, 2.0), (130, 1.0)]
    for chunks in (200, 201, 400, 1001):
        points = thinned([float(index) for index in range(chunks)], 64 * chunks - 5)
        assert 100 <= len(points) <= 200
        assert points[-1] == (64 * chunks - 5, chunks - 1)
        assert len({later - step for (step, _), (later, _) in zip(points[:-1], points[1:-1])}) == 1


@pytest.mark.parametrize(("length", "points"), [(2, 200), (10, 50), (100, 5)])
def test_a_long_chain_has_fewer_points_of_each_generations_losses(store, finished_copy, length, points):
    finished_copy.edit("generations: 2", f"generations: {length}")
    change(*generations(1), "losses.json", train=[[64 * step, 1.0] for step in range(1, 201)])
    ChainTracker(store, load(Path("params.yaml")), SIMS).track(generations(1))
    steps = [step for (_, key, step), _ in finished_copy.tracked()[0].items() if key == "loss of train"]
    assert (len(steps), max(steps)) == (points, 12800)


def test_the_machine_is_watched_where_mlflows_variable_says_so_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    store = Store("watched")
    with machine_watched(store):
        pass
    assert "client" not in vars(store)
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    for _ in range(2):
        with machine_watched(store):
            time.sleep(1)
    run = next(run for run in store.client.search_runs([store.experiment_id]) if run.info.run_name.startswith("machine "))
    assert run.info.status == "FINISHED"
    steps = [point.step for point in store.client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")]
    assert steps == list(range(len(steps)))
    assert len(steps) >= 4

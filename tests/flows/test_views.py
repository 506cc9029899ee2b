"""What a run shows of its chains while they are made."""

import sqlite3
from pathlib import Path
from threading import Event

import pytest

from flows.watching import views
from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.views.mlflow.chain_runs import store_of

SIMS = Chain("sims", 0)


def test_after_a_fault_mlflow_is_tried_again_and_a_view_gives_it_what_it_lacks(finished, finished_copy, monkeypatch, caplog):
    monkeypatch.chdir(finished_copy.without_mlflow().folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(views, "track", views.track.fn)  # outside of a flow run
    params, lost = load(Path("params.yaml")), Event()
    lost.set()  # there is no page
    store = store_of(params)
    view = views.ChainView(store, params, SIMS, 2, 1, lost)
    assert store.attempt(lambda: store.experiment_id)
    with sqlite3.connect("mlflow.db", isolation_level="EXCLUSIVE") as other:
        other.execute("BEGIN EXCLUSIVE")
        view.reached(1)
        assert not store.attempt(pytest.fail)  # not so soon
    assert "MLflow is left behind (database is locked)" in caplog.text
    monkeypatch.setattr(store, "_again", 0.0)
    view.reached(2)
    view.ended(failed=False)
    assert "MLflow can be written again" in caplog.text
    for written, of_the_run in zip(finished_copy.tracked(), finished.tracked()):
        assert set(written.values()) == {1}
        assert set(written) == {each for each in of_the_run if each[0].startswith(str(SIMS))}

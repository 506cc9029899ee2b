"""What MLflow's own monitor writes of the machine."""

import time
from pathlib import Path

import pytest

from pipeline.tracking.machine import machine_watched
from pipeline.tracking.store import Store


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

"""MLflow's own server and pages, with what the program has written there."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from conftest import Project, asked, until

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.views.mlflow.chain_runs import ChainTracker, chart, store_of


@contextmanager
def served(folder: Path, store: str) -> Iterator[str]:
    """MLflow's server on a store, as its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "stored")]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 90)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        return bool(urlopen(url, timeout=2).status == 200)
    except OSError:
        return False


def test_a_tracking_server_is_named_by_its_variable_alone_and_gets_every_point_once(finished: Project, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    with served(tmp_path, f"sqlite:///{tmp_path / 'store.db'}") as url:
        for _ in range(2):
            assert "2 chains tracked" in finished.run("flows.cli", "track", MLFLOW_TRACKING_URI=url)
        client = MlflowClient(url)
        experiment = client.get_experiment_by_name("smoke")
        assert experiment is not None
        runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
        assert set(runs) == {"experiment", *(f"{arm}/seed0{tail}" for arm in ("sims", "standard") for tail in ("", " losses"))}
        for arm in ("sims", "standard"):
            run = runs[f"{arm}/seed0"].info.run_id
            assert [point.step for point in client.get_metric_history(run, "fid")] == [1, 2]
            assert {artifact.path for artifact in client.list_artifacts(run)} >= {"generations.json", "images"}


def test_in_a_browser_mlflows_page_shows_the_curves_of_both_arms(
    finished: Project, tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{finished.folder / 'mlflow.db'}"
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    chains = client.search_runs([experiment.experiment_id], "metrics.fid > 0")
    names = sorted(str(run.info.run_name) for run in chains)
    assert names == ["sims/seed0", "standard/seed0"]
    with served(tmp_path, store) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        monkeypatch.chdir(finished.folder)
        params = load(Path("params.yaml"))
        store_there = store_of(params)
        trackers = [ChainTracker(store_there, params, Chain(arm, 0)) for arm in ("sims", "standard")]
        browser.get("about:blank")
        browser.get_log("performance")  # what the browser's own first page asked for
        browser.get(str(chart(store_there, trackers)))
        until(lambda: len(browser.find_elements("css selector", ".js-plotly-plot .scatterlayer .trace")) >= 2, 90)
        page = until(lambda: browser.find_element("tag name", "body").text)
        assert all(f"{name} (fid)" in page for name in names)
        drawn = "return document.querySelector('.js-plotly-plot').data.map((each) => [each.name, ...each.x].join())"
        curves = {f"{name},1,2" for name in names}
        until(lambda: set(browser.execute_script(drawn)) == curves)
        errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert [entry for entry in errors if "users/current" not in entry["message"]] == []  # who is logged in: nobody
        assert {each for each in asked(browser) if not each.startswith(url)} == set()

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
from conftest import Project, asked, pages_of, until

from pipeline.experiment.params import load
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.overview import Overview


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
        assert set(runs) == {"smoke", *(f"{arm}/seed0{tail}" for arm in ("sims", "standard") for tail in ("", " losses"))}
        for arm in ("sims", "standard"):
            run = runs[f"{arm}/seed0"].info.run_id
            assert [point.step for point in client.get_metric_history(run, "fid")] == [1, 2]
            assert {artifact.path for artifact in client.list_artifacts(run)} >= {"generations.json", "images"}


def test_in_a_browser_mlflows_home_page_is_three_clicks_from_the_curves_of_both_arms(
    finished_copy: Project, tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_copy.run("flows.cli", "track")

    def click(selector: str, text: str = "") -> None:
        def found() -> Any:
            return next((each for each in browser.find_elements("css selector", selector) if each.text == text), None)

        until(lambda: found() and found().is_displayed(), 90)
        found().click()

    with served(tmp_path, f"sqlite:///{finished_copy.folder / 'mlflow.db'}") as url:
        browser.set_window_size(1500, 1400)  # charts below the fold are not drawn
        browser.get(url)
        click('[role="button"]', "Model training")
        click("a", "smoke")
        chart = until(lambda: browser.find_elements("css selector", 'input[type="radio"][value="CHART"]'), 90)
        browser.execute_script("arguments[0].closest('label').click()", chart[0])
        until(lambda: {"fid/sims", "fid/standard"} <= headings(browser), 90)
        sections = browser.find_element("tag name", "body").text
        assert sections.index("\nfid\n(2)") < sections.index("\nsummary/end_mean\n(2)")  # what is asked for first comes first
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        monkeypatch.chdir(finished_copy.folder)
        params = load(Path("params.yaml"))
        browser.get("about:blank")
        browser.get_log("performance")  # what the pages before have asked for
        browser.get(str(Overview(store_of(params), params).address()))
        drawn = "return document.querySelector('.js-plotly-plot')?.data?.map((each) => [...each.x].join()) ?? []"
        until(lambda: set(browser.execute_script(drawn)) == {"1,2"}, 90)
        page = browser.find_element("tag name", "body").text
        assert all(f"smoke (fid/{arm})" in page for arm in ("sims", "standard"))  # both arms in one chart
        assert {each for each in asked(browser) if not each.startswith(url)} == set()


def headings(browser: Any) -> set[str]:
    """The names of the charts that are shown."""
    return {line.strip() for line in browser.find_element("tag name", "body").text.splitlines()}


def test_ui_serves_the_pages_and_prints_where_the_curves_are(finished: Project) -> None:
    with pages_of(finished) as (port, said):
        assert said.startswith(f"curves   http://127.0.0.1:{port}/#/metric?runs=")
        assert answers(f"http://127.0.0.1:{port}/health")
        assert "something answers there already" in finished.run("flows.cli", "ui", "--port", str(port), code=2)

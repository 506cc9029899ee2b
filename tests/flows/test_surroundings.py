"""Places and networks as users have them: projects that move, odd paths, proxies, servers that want a password."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from conftest import Project

from flows.server.credentials import check_credentials
from flows.server.server import own_server, wait
from pipeline.experiment.errors import BadInput
from pipeline.storage.loopback import ask_directly
from pipeline.views.mlflow.store import cause

NOWHERE = "http://127.0.0.1:9"
"""A proxy that answers nobody."""


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Callable[[str], Project]:
    return lambda name: finished.copy(tmp_path / name)


def test_a_project_that_was_copied_keeps_its_pictures_to_itself(finished: Project, copied: Callable[[str], Project]) -> None:
    moved, before = copied("other"), files(finished.folder / "mlartifacts")
    shutil.rmtree(moved.folder / "mlartifacts")
    moved.run("flows.cli", "track")
    assert files(finished.folder / "mlartifacts") == before
    assert {path.name for path in files(moved.folder / "mlartifacts")} >= {"generations.json"}
    with closing(sqlite3.connect(moved.folder / "mlflow.db")) as store:
        places = {row[0] for row in store.execute("select artifact_location from experiments where name = 'smoke'")}
        runs = [row[0] for row in store.execute("select artifact_uri from runs")]
    assert places == {(moved.folder / "mlartifacts").as_uri()}
    assert all(run.startswith(moved.folder.as_uri()) for run in runs)


def test_curves_arrive_where_pictures_cannot_be_stored(finished: Project, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{tmp_path / 'central.db'}"
    MlflowClient(store).create_experiment("smoke", artifact_location="file:///proc/nowhere")
    said = finished.run("flows.cli", "track", MLFLOW_TRACKING_URI=store)
    assert "2 chains tracked" in said
    assert said.count("pictures cannot be stored at file:///proc/nowhere") == 1
    with closing(sqlite3.connect(tmp_path / "central.db")) as central:
        points = central.execute("select count(*) from metrics where key = 'fid'").fetchone()
    assert points == (4,)


@pytest.mark.parametrize("name", ["feature%2Flogin", "a%20b", "q?ä #1"])
def test_mlflow_works_in_a_project_of_any_name(name: str, copied: Callable[[str], Project]) -> None:
    project = copied(name).without_mlflow()
    said = project.run("flows.cli", "track")
    assert "2 chains tracked" in said
    assert "warning" not in said.lower()
    points, pictures = project.tracked()
    assert points["sims/seed0", "fid", 2] == 1
    assert pictures
    assert {path.name for path in project.folder.parent.iterdir()} <= {name}  # and nothing beside it


def test_behind_a_proxy_a_run_asks_this_machine_directly_and_says_why_it_makes_a_generation_again(
    copied: Callable[[str], Project],
) -> None:
    project = copied("behind")
    for folder in (project.folder / "runs" / "smoke" / "sims" / "seed0" / "g002", project.folder / ".dvc" / "cache"):
        for path in [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("dvc.")]:
            path.unlink()
    said = project.run("flows.cli", "run", HTTP_PROXY=NOWHERE, http_proxy=NOWHERE, ALL_PROXY=NOWHERE)
    assert "made again: its files were not here, nor in DVC's cache" in said
    assert "made anew" not in said


def test_what_is_excepted_from_proxies_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example")
    monkeypatch.delenv("no_proxy", raising=False)
    ask_directly()
    for name in ("NO_PROXY", "no_proxy"):
        assert os.environ[name].split(",")[:2] == ["intern.example", "127.0.0.1"]
        monkeypatch.setenv(name, "*")
    ask_directly()
    assert os.environ["NO_PROXY"] == "*"


def test_a_server_that_wants_credentials_is_named_with_the_variable_that_gives_them(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:secret")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    with ExitStack() as stack:
        server = stack.enter_context(own_server(pages=False))
        wait(server)
        check_credentials(server.api)  # an own server's are known
        for given, says in (("", "is given none"), ("admin:wrong", "does not take those"), ("ädmin:ö", "does not take those")):
            monkeypatch.setenv("PREFECT_API_AUTH_STRING", given)
            with pytest.raises(BadInput, match=f"PREFECT_API_AUTH_STRING: .* wants credentials and {says}"):
                check_credentials(server.api)
        finished.edit("generations: 2", "generations: 1")
        try:
            for command in ("serve", "run"):
                more = {"PREFECT_API_URL": server.api, "PREFECT_API_AUTH_STRING": "admin:wrong"}
                arguments = [command] if command == "serve" else [command, "--generations", "3"]
                said = finished.run("flows.cli", *arguments, code=2, **more)
                assert len([line for line in said.splitlines() if line.strip()]) == 1
                assert "PREFECT_API_AUTH_STRING" in said
        finally:
            finished.edit("generations: 1", "generations: 2")


def test_another_librarys_remedy_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    with pytest.raises(Exception, match="maintenance mode") as told:
        MlflowClient("./mlruns")
    assert "MLFLOW_ALLOW_FILE_STORE=true" in cause(told.value)
    long = ValueError("x" * 5000 + " do this instead")
    assert cause(long).endswith("do this instead")
    assert len(cause(long)) < 1000

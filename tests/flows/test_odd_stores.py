"""MLflow stores and ports that are none: one line, and nothing of what lies elsewhere is lost."""

from collections.abc import Callable
from urllib.request import Request

import pytest
from conftest import Project, pages_of

from pipeline.storage.databases import sqlite_url
from pipeline.storage.loopback import DIRECTLY
from pipeline.views.mlflow.store import OWN, public, store_uri


@pytest.mark.parametrize(
    ("arguments", "store", "says", "code"),
    [
        (["ui", "--port", "99999"], "", "error: --port: 99999 is not allowed: it must be from 1 to 65535", 2),
        (["ui"], "nonsense://x", "failed: MLflow could not be written at nonsense://x: ", 1),
        (["ui"], "file:mlruns", "MLFLOW_ALLOW_FILE_STORE=true", 1),
        (["track"], "http://[::1", "failed: MLflow could not be written at http://[::1: ", 1),
    ],
    ids=["port", "scheme", "files", "address"],
)
def test_a_store_or_port_that_is_none_ends_with_one_line(
    finished: Project, arguments: list[str], store: str, says: str, code: int
) -> None:
    said = finished.run("flows.cli", *arguments, code=code, MLFLOW_TRACKING_URI=store)
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_a_blank_address_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "  ")
    assert store_uri() == sqlite_url(OWN)


@pytest.mark.parametrize("address", ["http://me:se@cret@host:5000", "http://me:se@cret@[::1", "postgresql://me:se@cret@host/x"])
def test_passwords_are_kept_whatever_is_wrong_with_the_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert "cret" not in public(f"cannot reach {address}")


def test_track_of_an_experiment_that_has_made_nothing_says_so_and_makes_no_run(project: Callable[..., Project]) -> None:
    said = project().run("flows.cli", "track")
    assert "0 chains tracked" in said
    assert "'smoke' has no finished generation yet (self-consuming run)" in said
    assert "curves" not in said


def test_pages_stay_where_their_project_is_moved_and_make_nothing_in_its_old_place(finished_copy: Project) -> None:
    with pages_of(finished_copy) as (port, said):
        assert said.startswith("curves ")
        former, now = finished_copy.folder, finished_copy.folder.with_name("moved")
        former.rename(now)
        body = b'{"max_results": 10}'
        headers = {"Content-Type": "application/json"}
        wanted = Request(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search", body, headers)
        with DIRECTLY.open(wanted, timeout=30) as answer:
            assert b'"smoke"' in answer.read()
        assert not former.exists()

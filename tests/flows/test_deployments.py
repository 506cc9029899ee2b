"""`self-consuming serve` in one shell, Prefect's own commands in another."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from conftest import Project, ask, until
from ruamel.yaml import YAML

from pipeline.experiment.params import load

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where Debian keeps PostgreSQL's programs."""


NOTHING_EXPORTED = {"PREFECT_API_URL": ""}
"""No variable names a server."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(copy: Project, **more: str) -> Iterator[str]:
    """`self-consuming serve` with its own server; gives its API. It ends having said `copy.said`.

    The project's prefect.toml names the server, as it does for users: nothing is exported.
    """
    settings = copy.folder / "prefect.toml"
    settings.write_text(settings.read_text().replace(":4200", f":{free_port()}"))
    api = tomllib.loads(settings.read_text())["api"]["url"]
    process = copy.start("flows.cli", "serve", **NOTHING_EXPORTED, **more)
    try:
        until(lambda: {"standard", "sims", "compare", "improvement"} <= deployments(api), 120)
        yield api
    finally:
        os.killpg(process.pid, signal.SIGINT)
        copy.said = process.communicate(timeout=60)[1]  # type: ignore[attr-defined]


def deployments(api: str) -> set[str]:
    try:
        return {deployment["name"] for deployment in ask(api, "deployments/filter")}
    except OSError:
        return set()


def at_work(folder: Path) -> list[Path]:
    """Processes that work on chains of the project: they hold a chain's folder."""
    owners = [int(path.read_text() or 0) for path in folder.glob("runs/*/*/seed*/owner.pid")]
    return [Path(f"/proc/{owner}") for owner in owners if owner and Path(f"/proc/{owner}").exists()]


def test_served_deployments_are_run_and_cancelled_by_prefects_own_commands(project):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 1").replace("seeds: [0]", "seeds: [0, 1]"))
    points = copy.folder / "studies/pollution/params.yaml"
    points.write_text(re.sub(r"share: .*", "share: [0.0]", re.sub(r"seed: .*", "seed: [0]", points.read_text())))
    prefect = partial(copy.run, "prefect", **NOTHING_EXPORTED)
    with served(copy) as api:
        watched = prefect("deployment", "run", "self-consuming/sims", "--param", "seeds=[1]", "--watch")
        assert "Completed" in watched
        assert sorted(path.parents[1].name for path in copy.folder.glob("runs/smoke/*/seed*/g*/dvc.lock")) == ["seed1"]
        _has_a_page(api, copy, watched)
        for wrong in ({"arm": "simms"}, {"seeds": [7]}, {"generations": 0}, {"arm": []}):
            assert refused(api, "sims", wrong), wrong
        watched = prefect("deployment", "run", "study/pollution", "--param", "preset=smoke", "--watch")
        assert "Completed" in watched
        assert (copy.folder / "studies/pollution-smoke/points/0-0.0.json").exists()

        run = run_id(prefect("deployment", "run", "self-consuming/compare", "--param", "generations=99"))
        until(lambda: (copy.folder / "runs/smoke/sims/seed0/g003/dvc.lock").exists(), 120)
        workers = at_work(copy.folder)
        assert len(workers) == 2
        prefect("flow-run", "cancel", run)
        began = time.monotonic()
        until(lambda: not any(worker.exists() for worker in workers), 30)
        assert time.monotonic() - began < 5
        until(lambda: flow_run(api, run)["state"]["type"] == "CANCELLED", 30)

        prefect("deployment", "run", "self-consuming/compare", "--param", "generations=99")
        workers = until(lambda: at_work(copy.folder), 120)
    until(lambda: not any(worker.exists() for worker in workers), 5)
    assert "the same command goes on" in copy.said
    made = len(list(copy.folder.glob("runs/smoke/sims/seed0/g*/dvc.lock")))
    said = copy.run("flows.cli", "run", "--arm", "sims", "--seed", "0", "--generations", str(made + 1))
    assert f"generation {made + 1:>3}/{made + 1}" in said
    assert f"generation   1/{made + 1}" not in said


def _has_a_page(api: str, copy: Project, watched: str) -> None:
    """A run's name says arm, seed and generations; it has tags, and its artifacts show progress, generations and links."""
    run = flow_run(api, run_id(watched))
    assert run["name"] == "sims, seed 1, 1 generations"
    assert {"smoke", "sims"} <= set(run["tags"])
    wanted = json.dumps({"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    found = {artifact["key"]: artifact for artifact in ask(api, "artifacts/filter", wanted)}
    assert float(found["smoke-sims-seed1"]["data"]) == 100
    (row,) = json.loads(found["smoke-sims-seed1-generations"]["data"])
    folder = copy.folder / "runs/smoke/sims/seed1/g001"
    assert row["FID"] == json.loads((folder / "metrics.json").read_text())["fid"]
    assert row["DVC md5"] in (folder / "dvc.lock").read_text()
    assert "/runs/" in found["smoke-sims-seed1-curves"]["data"]
    assert (copy.folder / "reports/smoke/report.html").as_uri() in found["smoke-report"]["data"]


def run_id(said: str) -> str:
    """The id of the run that Prefect's command has started."""
    found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", said)
    assert found, said
    return found.group()


def refused(api: str, name: str, parameters: dict[str, Any]) -> bool:
    """Whether a run of the deployment with such parameters fails before anything starts."""
    (deployment,) = [each for each in ask(api, "deployments/filter") if each["name"] == name]
    schema = deployment["parameter_openapi_schema"]
    assert schema["properties"].keys() == {"arm", "seeds", "generations"}
    try:
        ask(api, f"deployments/{deployment['id']}/create_flow_run", json.dumps({"parameters": parameters}))
    except HTTPError as error:
        return error.code in (409, 422)
    return False


def flow_run(api: str, run: str) -> Any:
    (found,) = ask(api, "flow_runs/filter", json.dumps({"flow_runs": {"id": {"any_": [run]}}}))
    return found


def test_the_work_pools_deployments_are_those_that_serve_registers() -> None:
    file = YAML(typ="safe").load(Path("prefect.yaml"))
    arms = load(Path("presets/gaussian.yaml")).arms
    studies = {path.parent.name for path in Path("studies").glob("*/params.yaml")}
    assert {each["name"] for each in file["deployments"]} == {*arms, "compare", *studies}


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, as Prefect's connection URL."""
    if POSTGRES is None or os.getuid() != 0:
        pytest.skip("needs Debian's PostgreSQL (make system), and root to start it as its own user")
    folder, port = Path(f"/tmp/self-consuming-postgres-{os.getpid()}"), free_port()
    folder.mkdir(mode=0o700)
    shutil.chown(folder, "postgres", "postgres")
    try:
        for command in (
            ["initdb", "--auth=trust", "--no-sync", "-D", str(folder / "data")],
            [
                "pg_ctl",
                "-w",
                "-D",
                str(folder / "data"),
                "-o",
                f"-p {port} -k {folder} -c fsync=off",
                "-l",
                str(folder / "log"),
                "start",
            ],
        ):
            subprocess.run(
                [POSTGRES / command[0], *command[1:]], user="postgres", cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
    finally:
        stop = [POSTGRES / "pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop"]
        subprocess.run(stop, user="postgres", cwd=folder, check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)


def test_prefect_keeps_its_runs_in_postgresql_by_one_variable(project, postgres):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 1"))
    with served(copy, PREFECT_SERVER_DATABASE_CONNECTION_URL=postgres):
        words = ("prefect", "deployment", "run", "self-consuming/standard", "--watch")
        assert "Completed" in copy.run(*words, **NOTHING_EXPORTED)
    assert (copy.folder / "runs/smoke/standard/seed0/g001/dvc.lock").exists()
    address = postgres.replace("postgresql+asyncpg", "postgresql")
    rows = subprocess.run(
        [POSTGRES / "psql", address, "-Atc", "select state_type from flow_run"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "COMPLETED" in rows.stdout

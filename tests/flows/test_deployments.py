"""`self-consuming serve` in one shell, Prefect's own commands in another."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from conftest import Project, until
from ruamel.yaml import YAML

from pipeline.params import load

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where Debian keeps PostgreSQL's programs."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(copy: Project, **more: str) -> Iterator[dict[str, str]]:
    """`self-consuming serve` with its own server; gives the one variable that others need. It ends having said `copy.said`."""
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    process = copy.start("flows.cli", "serve", **api, **more)
    try:
        until(lambda: {"standard", "sims", "compare", "improvement"} <= deployments(api["PREFECT_API_URL"]), 120)
        yield api
    finally:
        os.killpg(process.pid, signal.SIGINT)
        copy.said = process.communicate(timeout=60)[1]  # type: ignore[attr-defined]


def ask(api: str, path: str, body: str = "{}") -> Any:
    request = Request(f"{api}/{path}", body.encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


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
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 1"))
    points = copy.folder / "studies/pollution/params.yaml"
    points.write_text(re.sub(r"share: .*", "share: [0.0]", re.sub(r"seed: .*", "seed: [0]", points.read_text())))
    with served(copy) as api:
        watched = copy.run("prefect", "deployment", "run", "self-consuming/sims", "--watch", **api)
        assert "Completed" in watched
        assert (copy.folder / "runs/smoke/sims/seed0/g001/dvc.lock").exists()
        watched = copy.run("prefect", "deployment", "run", "study/pollution", "--param", "preset=smoke", "--watch", **api)
        assert "Completed" in watched
        assert (copy.folder / "studies/pollution-smoke/points/0-0.0.json").exists()

        said = copy.run("prefect", "deployment", "run", "self-consuming/compare", "--param", "generations=99", **api)
        run = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", said)
        assert run, said
        until(lambda: (copy.folder / "runs/smoke/sims/seed0/g003/dvc.lock").exists(), 60)
        workers = at_work(copy.folder)
        assert len(workers) == 2
        copy.run("prefect", "flow-run", "cancel", run.group(), **api)
        began = time.monotonic()
        until(lambda: not any(worker.exists() for worker in workers), 30)
        assert time.monotonic() - began < 5
        until(lambda: state(api["PREFECT_API_URL"], run.group()) == "CANCELLED", 30)
    assert "the same command goes on" in copy.said
    made = len(list(copy.folder.glob("runs/smoke/sims/seed0/g*/dvc.lock")))
    said = copy.run("flows.cli", "run", "--arm", "sims", "--generations", str(made + 1))
    assert f"generation {made + 1:>3}/{made + 1}" in said
    assert f"generation   1/{made + 1}" not in said


def state(api: str, run: str) -> str:
    found = ask(api, "flow_runs/filter", json.dumps({"flow_runs": {"id": {"any_": [run]}}}))
    return str(found[0]["state"]["type"])


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
    with served(copy, PREFECT_SERVER_DATABASE_CONNECTION_URL=postgres) as api:
        assert "Completed" in copy.run("prefect", "deployment", "run", "self-consuming/standard", "--watch", **api)
    assert (copy.folder / "runs/smoke/standard/seed0/g001/dvc.lock").exists()
    address = postgres.replace("postgresql+asyncpg", "postgresql")
    rows = subprocess.run(
        [POSTGRES / "psql", address, "-Atc", "select state_type from flow_run"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "COMPLETED" in rows.stdout

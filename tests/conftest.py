"""Real commands in temporary copies of the project."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from ruamel.yaml import YAML

from flows.server.server import own_server, wait
from pipeline.experiment.params import load
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.store import Store

pytest_plugins = ("grown",)

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    ".dvc/config",
    ".dvc/plots.html",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "prefect.toml",
    "models",
    "pipeline",
    "flows",
    "presets",
    "studies",
    "examples",
)


BROWSER, DRIVER = "chromium", "chromedriver"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,1600"
)
OWN_SERVER = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
"""Nothing answers there, so a run starts a Prefect server of its own."""


class Project:
    """A copy of the project in a folder of its own, with nothing made yet; its runs use the tests' Prefect server."""

    server = OWN_SERVER["PREFECT_API_URL"]

    def __init__(self, folder: Path, preset: str = "smoke", edit: Callable[[str], str] = str) -> None:
        self.folder = folder
        for part in PARTS:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                made = ("points", "kept", "dvc.lock") if part == "studies" else ()
                shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__", *made))
            else:
                shutil.copy(ROOT / part, target)
        text = (ROOT / "presets" / f"{preset}.yaml").read_text()
        (folder / "params.yaml").write_text(edit(text))
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)

    @classmethod
    def of(cls, folder: Path) -> "Project":
        """A project that is there already."""
        project = cls.__new__(cls)
        project.folder = folder
        return project

    def copy(self, folder: Path) -> "Project":
        """A copy with all that has been made, DVC's cache, stores and report included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project.of(folder)

    def edit(self, old: str, new: str) -> None:
        """Change params.yaml."""
        params = self.folder / "params.yaml"
        assert old in params.read_text()
        params.write_text(params.read_text().replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        """The tests' Python first on the PATH, and no other server than the tests'."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
        return kept | {"PATH": path, "PREFECT_API_URL": self.server, "DVC_NO_ANALYTICS": "1"}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start `python -m ARGUMENTS` here, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={name: value for name, value in (self.environment | more).items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0, **more: str) -> str:
        """Run `python -m ARGUMENTS` here to its end, expect the exit code, and give what it printed."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=280)
        assert process.returncode == code, out + err
        return out + err

    def without_mlflow(self) -> "Project":
        """The same with nothing in MLflow."""
        for path in self.folder.glob("mlflow.db*"):
            path.unlink()
        shutil.rmtree(self.folder / "mlartifacts")
        return self

    def tracked(self) -> tuple[Counter[tuple[str, str, int]], Counter[tuple[str, int]]]:
        """How many points MLflow has of each run (that is not deleted), key and step, and pictures of each run and step."""
        query = "select name, key, step from metrics natural join runs where lifecycle_stage = 'active'"
        with sqlite3.connect(self.folder / "mlflow.db") as db:
            points = Counter(db.execute(query).fetchall())
            names = dict(db.execute("select run_uuid, name from runs where lifecycle_stage = 'active'").fetchall())
        found = [(run, path) for run in names for path in (self.folder / "mlartifacts" / run).glob("artifacts/images/*.png")]
        return points, Counter((names[run], int(path.name.split("+")[2])) for run, path in found)

    def statuses(self) -> dict[str, str]:
        """The status of each chain in MLflow."""
        query = "select name, status from runs where lifecycle_stage = 'active' and name like '%/seed_'"
        with sqlite3.connect(self.folder / "mlflow.db") as db:
            return dict(db.execute(query).fetchall())

    def locks(self) -> dict[str, str]:
        """Every dvc.lock by its path: all that it says, whatever the order in which DVC came to its stages."""
        files = {str(path.relative_to(self.folder)): path for path in sorted(self.folder.rglob("dvc.lock"))}
        return {name: json.dumps(YAML(typ="safe").load(path), sort_keys=True) for name, path in files.items()}

    def bytes(self) -> dict[str, str]:
        """The digest of everything that the experiment's chains have made."""
        files = self.folder.glob("runs/*/*/seed*/g*/*")
        return {str(path.relative_to(self.folder)): md5(path.read_bytes()).hexdigest() for path in sorted(files)}


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server for the whole session: a run that starts its own takes ten seconds longer."""
    home = tmp_path_factory.mktemp("server")
    with contextlib.ExitStack() as stack:
        with contextlib.chdir(home), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_HOME", str(home))
            server = stack.enter_context(own_server(pages=False))
        wait(server)
        Project.server = server.api
        yield


@pytest.fixture
def project(tmp_path: Path, prefect_server: None) -> Callable[..., Project]:
    """Make copies of the project."""

    def make(name: str = "project", **options: object) -> Project:
        return Project(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def finished_copy(finished: Project, tmp_path: Path, prefect_server: None) -> Project:
    """A copy of the finished project that a test may change."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def store(finished_copy: Project, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of MLflow in a copy of the finished project, which is the current folder."""
    monkeypatch.chdir(finished_copy.without_mlflow().folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return store_of(load(Path("params.yaml")))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which `self-consuming run` has made the smoke experiment; tests must leave it as it is.

    Its folder has spaces and an umlaut, its clock and locale are others than the tests': none of this may change a byte.
    """
    made = Project(tmp_path_factory.mktemp("finished") / "ein Ordner für alles")
    made.output = made.run("flows.cli", "run", LC_ALL="C", TZ="Asia/Kathmandu", **OWN_SERVER)  # type: ignore[attr-defined]
    return made


@pytest.fixture(scope="session")
def longer(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the finished project with a third generation, undisturbed, by `dvc repro`; tests must leave it as it is."""
    made = finished.copy(tmp_path_factory.mktemp("longer") / "project")
    made.edit("generations: 2", "generations: 3")
    made.output = made.run("dvc", "repro")  # type: ignore[attr-defined]
    return made


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A real browser, headless, that notes every request and every message of the page."""
    paths = shutil.which(BROWSER), shutil.which(DRIVER)
    if None in paths:
        pytest.skip("needs Debian's Chromium and its driver: make browser, or apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(paths[0])
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options=options, service=Service(str(paths[1])))
    yield driver
    driver.quit()


@contextlib.contextmanager
def pages_of(project: Project) -> Iterator[tuple[int, str]]:
    """MLflow's pages by `self-consuming ui` at a free port, during the block: the port, and the first line that was said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = project.start("flows.cli", "ui", "--port", str(port))
    try:
        assert process.stdout is not None
        yield port, process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What it gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def ask(api: str, path: str, body: str = "{}") -> Any:
    """What a Prefect server answers to a POST request."""
    request = Request(f"{api}/{path}", body.encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def asked(browser: Any) -> set[str]:
    """What the browser's page has asked for, but what is in it and the browser's own."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    return {url for url in urls if not url.startswith(("data:", "blob:", "chrome:", "chrome-untrusted:"))}

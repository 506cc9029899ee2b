"""The door to MLflow: a parent run for the experiment, a child run for each chain, the generation as step.

Everything here is rebuilt from the files, so a point is written only where it is missing, and MLflow may be away.
"""

import hashlib
import json
import logging
import os
import shlex
import subprocess
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pipeline.cache import md5_of
from pipeline.chains import Chain, chains, decisive
from pipeline.errors import RunFailed, in_a_line
from pipeline.files import read_json
from pipeline.layout import LOSSES, METRICS, PICTURE, SYNTHETIC, Layout
from pipeline.locks import digests, finished
from pipeline.machine import device_of
from pipeline.params import Params
from pipeline.sections import MAX_GENERATIONS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from pipeline.studies.study import Study

log = logging.getLogger("self-consuming")
KEY, HASH = "self_consuming.key", "self_consuming.params_hash"
PARENT = "experiment"
LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows its pages."""
IMAGES = 10
"""At most about so many sample pictures a chain; metrics are logged for every generation."""
VALUES = 1000
"""Numbers that MLflow takes together."""
PACKAGES = ("torch", "numpy", "prefect", "dvc", "mlflow")
"""Whose versions are tags of a run."""
BATCH = 40
"""Generations written at once: MLflow takes 100 tags and 1,000 values together."""


def store_uri() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"


def curves() -> str:
    """The command, or the address, that shows the curves."""
    uri = store_uri()
    if uri.startswith("http"):
        return uri.replace(f"{urlsplit(uri).netloc}", urlsplit(uri).netloc.rpartition("@")[2])
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


def pages() -> str:
    """Where MLflow's pages are: on the tracking server, or on `mlflow ui` of this machine."""
    return store_uri() if store_uri().startswith("http") else LOCAL_PAGES


class Store:
    """The MLflow client and the experiment's runs in it, found by their tags; connects when it is first needed.

    Raises MLflow's own errors.
    """

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self.broken = False

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client, which tells of a fault at once and leaves it to us to say so."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        from mlflow import MlflowClient
        from mlflow.store.db import utils

        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        utils.MAX_RETRY_COUNT = 1  # a database that cannot be opened would be tried again for two minutes
        return MlflowClient(store_uri())

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's id, made where there is none; pictures lie in the project unless a server stores them."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        artifacts = None if store_uri().startswith("http") else Path("mlartifacts").resolve().as_uri()
        return str(self.client.create_experiment(self.experiment, artifact_location=artifacts))

    def run(self, key: str, fingerprint: str, facts: dict[str, Any], parent: str | None = None) -> str:
        """The id of the run with this key and fingerprint and, as its params, `facts`; made where there is none."""
        from mlflow.entities import Param

        query = f"tags.`{KEY}` = '{key}' and tags.`{HASH}` = '{fingerprint}'"
        tags = {KEY: key, HASH: fingerprint} | ({"mlflow.parentRunId": parent} if parent else {})
        found = self.client.search_runs([self.experiment_id], query, max_results=1)
        run = found[0] if found else self.client.create_run(self.experiment_id, run_name=key, tags=tags)
        lacking = [Param(key, str(value)[:6000]) for key, value in facts.items() if key not in run.data.params]
        if lacking:
            self.client.log_batch(run.info.run_id, params=lacking)
        return str(run.info.run_id)

    def parent(self) -> str:
        """The id of the run that holds the experiment's chains together."""
        run_id = self.run(PARENT, PARENT, {})
        self.client.set_terminated(run_id)
        return run_id

    def log(self, run: str, points: list["Metric"]) -> None:
        """Write points of a run, in their order, as many at once as MLflow takes."""
        for start in range(0, len(points), VALUES):
            self.client.log_batch(run, metrics=points[start : start + VALUES])

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something in MLflow; where it fails, warn and do no more: a store that is away costs one wait, not one a chain."""
        if self.broken:
            return
        try:
            act()
        except Exception as error:
            self.broken = True
            log.warning("MLflow is left behind (%s); `self-consuming track` makes up for it", _cause(error))


class ChainTracker:
    """A chain's run in the store. Raises MLflow's own errors."""

    def __init__(self, store: Store, params: Params, chain: Chain) -> None:
        self.store, self.params, self.chain = store, params, chain

    def track(self, folders: Iterable[Path]) -> None:
        """Write the points of finished generations that the run does not have yet."""
        made = {folder: read_json(folder / METRICS) for folder in folders}
        if any(self._logged.get(metrics["generation"], metrics["fid"]) != metrics["fid"] for metrics in made.values()):
            # a generation was made anew with another result (the code has changed): a fresh run takes the old one's place
            self.store.client.delete_run(self._run)
            del self._run, self._logged
            made = {folder: read_json(folder / METRICS) for folder in finished(self.params, self.chain, MAX_GENERATIONS)}
        new = [(folder, metrics) for folder, metrics in made.items() if metrics["generation"] not in self._logged]
        for start in range(0, len(new), BATCH):
            self._log(new[start : start + BATCH])

    def address(self) -> str | None:
        """Where the run's page is: on the tracking server, or on `mlflow ui` of this machine; None where MLflow is away."""
        if self.store.broken:
            return None
        return f"{pages()}/#/experiments/{self.store.experiment_id}/runs/{self._run}"

    @property
    def run(self) -> str:
        """The id of the chain's run."""
        return self._run

    def end(self, status: str = "FINISHED") -> None:
        """Write the table of what DVC recorded, and set the run's status to FINISHED or FAILED."""
        folders = finished(self.params, self.chain, MAX_GENERATIONS)
        rows = [[int(folder.name[1:]), str(folder / SYNTHETIC), digests(folder)[SYNTHETIC]] for folder in folders]
        table = {"columns": ["generation", "file", "DVC md5"], "data": rows}
        self.store.client.log_dict(self._run, table, "generations.json")
        self.store.client.set_terminated(self._losses, status)
        self.store.client.set_terminated(self._run, status)

    @cached_property
    def _run(self) -> str:
        facts = decisive(self.params, self.chain) | {"seed": self.chain.seed}
        run = self.store.run(str(self.chain), _hash(facts), _flat(facts), self.store.parent())
        self._log_real(run)
        return run

    def _log_real(self, run: str) -> None:
        """The real training set as the run's dataset, once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        path = Layout(self.params.experiment).real(self.chain.seed)
        source = json.dumps({"uri": path.resolve().as_uri()})
        dataset = Dataset(path.stem, md5_of(path) or "", "local", source)
        self.store.client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    @cached_property
    def _losses(self) -> str:
        """A run below the chain's for the loss curves: their steps are training steps and would clutter the collapse curves."""
        return self.store.run(f"{self.chain} losses", self._run, {}, self._run)

    def _facts(self, extractor: str) -> dict[str, str]:
        """What the run's tags say of the chain and of where it was made."""
        arm = self.params.arms[self.chain.arm]
        facts = {"arm": self.chain.arm, "loop": arm.loop, "strategy": arm.strategy, "seed": str(self.chain.seed)}
        facts |= {"extractor": extractor, "params_hash": self.params.fingerprint, "device": str(device_of(self.params))}
        return facts | {f"version.{name}": version(name) for name in PACKAGES} | git_commit()

    @cached_property
    def _logged(self) -> dict[int, float]:
        return {point.step: point.value for point in self.store.client.get_metric_history(self._run, "fid")}

    def _log(self, made: list[tuple[Path, dict[str, Any]]]) -> None:
        """Write generations: the metrics last, since a point counts as there when they are."""
        from mlflow.entities import Metric, RunTag

        points, losses, tags = list[Metric](), list[Metric](), list[RunTag]()
        for folder, metrics in made:
            generation = metrics["generation"]
            stamp = generation * 1000  # fixed, so that a point written twice would be the same point
            if generation % max(1, self.params.length(self.chain.arm) // IMAGES) == 0 or generation == 1:
                from PIL import Image

                picture = Image.open(folder / PICTURE)
                self.store.client.log_image(self._run, picture, key="samples", step=generation, timestamp=stamp)
            numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float) and key != "generation"}
            points += [Metric(key, float(value), stamp, generation) for key, value in numbers.items()]
            tags.append(RunTag(f"dvc.{folder.name}", digests(folder)[SYNTHETIC]))
            losses += [
                Metric(f"loss of {name}", float(loss), stamp, (generation - 1) * curve[-1][0] + step)
                for name, curve in read_json(folder / LOSSES).items()
                for step, loss in curve
            ]
        tags += [RunTag(name, value) for name, value in self._facts(made[-1][1]["extractor"]).items()]
        self.store.client.log_batch(self._run, tags=tags)
        self.store.log(self._losses, losses)
        self.store.log(self._run, sorted(points, key=lambda point: point.key == "fid"))
        self._logged.update((metrics["generation"], metrics["fid"]) for _, metrics in made)


class PointTracker:
    """A study's point as a run in the store: its place as params, its rows by their generation or their number."""

    def __init__(self, store: Store, study: "Study", at: dict[str, Any]) -> None:
        self.store, self.study, self.at = store, study, at

    def track(self) -> None:
        """Write the rows, once: a point that is made anew with other rows is another run."""
        from mlflow.entities import Metric

        rows = read_json(self.study.path(self.at))
        name = "-".join(map(str, self.at.values()))
        run = self.store.run(name, _hash(rows), self.at, self.store.parent())
        if self.store.client.get_run(run).data.metrics:
            return
        points = list[Metric]()
        for number, row in enumerate(rows):
            step = int(row.get("generation", number))
            numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
            points += [Metric(key, float(value), step * 1000, step) for key, value in numbers.items()]
        self.store.log(run, points)
        self.store.client.set_terminated(run)


def chart(store: Store, trackers: Iterable[ChainTracker]) -> str | None:
    """Where MLflow shows the FID curves of chains in one chart; None where MLflow is away."""
    if store.broken:
        return None
    asked = {"runs": [tracker.run for tracker in trackers], "metric": "fid", "experiments": [store.experiment_id]}
    asked |= {"plot_metric_keys": ["fid"]}
    words = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in asked.items())
    return f"{pages()}/#/metric?{words}&x_axis=step"


def rebuild(params: Params) -> int:
    """Write whatever MLflow lacks of the experiment's finished generations; gives the number of chains.

    Raises RunFailed where MLflow cannot be written.
    """
    made = {chain: folders for chain in chains(params) if (folders := finished(params, chain, MAX_GENERATIONS))}
    store = Store(params.experiment)
    try:
        for chain, folders in made.items():
            tracker = ChainTracker(store, params, chain)
            tracker.track(folders)
            tracker.end()
    except Exception as error:
        raise RunFailed(f"MLflow could not be written at {store_uri()}: {_cause(error)}") from error
    return len(made)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def git_commit() -> dict[str, str]:
    """The project's commit as MLflow's own tag; nothing where there is none."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {"mlflow.source.git.commit": found.stdout.strip()} if found.returncode == 0 else {}


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _cause(error: BaseException) -> str:
    """What the error says that all others came from: a driver's few words rather than what the layers above made of them."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_a_line(error)

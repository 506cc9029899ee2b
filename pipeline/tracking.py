"""The door to MLflow: a parent run for the experiment, a child run for each chain, the generation as step.

Everything here is rebuilt from the files, so a point is written only where it is missing, and MLflow may be away.
"""

import hashlib
import json
import logging
import os
import shlex
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.chains import Chain, chains, decisive
from pipeline.errors import RunFailed
from pipeline.files import read_json
from pipeline.layout import METRICS, PICTURE, SYNTHETIC
from pipeline.locks import digests, finished
from pipeline.params import MAX_GENERATIONS, Params

log = logging.getLogger("self-consuming")
KEY, HASH = "self_consuming.key", "self_consuming.params_hash"
PARENT = "experiment"
LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows its pages."""
IMAGES = 10
"""At most about so many sample pictures a chain; metrics are logged for every generation."""
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


class Store:
    """The MLflow client and the experiment's runs in it, found by their tags. Raises MLflow's own errors."""

    def __init__(self, params: Params) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.client: MlflowClient = MlflowClient(store_uri())
        found = self.client.get_experiment_by_name(params.experiment)
        self.experiment_id = found.experiment_id if found else self._create(params.experiment)

    def run(self, key: str, fingerprint: str, facts: dict[str, Any], parent: str | None = None) -> str:
        """The id of the run with this key and fingerprint, made (with `facts` as its params) where there is none."""
        query = f"tags.`{KEY}` = '{key}' and tags.`{HASH}` = '{fingerprint}'"
        runs = self.client.search_runs([self.experiment_id], query, max_results=1)
        if runs:
            return str(runs[0].info.run_id)
        from mlflow.entities import Param

        tags = {KEY: key, HASH: fingerprint} | ({"mlflow.parentRunId": parent} if parent else {})
        run_id = str(self.client.create_run(self.experiment_id, run_name=key, tags=tags).info.run_id)
        self.client.log_batch(run_id, params=[Param(key, str(value)[:6000]) for key, value in facts.items()])
        return run_id

    def parent(self) -> str:
        """The id of the run that holds the experiment's chains together."""
        run_id = self.run(PARENT, PARENT, {})
        self.client.set_terminated(run_id)
        return run_id

    def _create(self, name: str) -> str:
        """Make the experiment; pictures lie in the project unless a server stores them."""
        artifacts = None if store_uri().startswith("http") else Path("mlartifacts").resolve().as_uri()
        return str(self.client.create_experiment(name, artifact_location=artifacts))


class ChainTracker:
    """A chain's run. Where MLflow fails, it warns once and leaves the rest to `self-consuming track`."""

    def __init__(self, params: Params, chain: Chain) -> None:
        self.params, self.chain = params, chain
        self.broken = False

    def track(self, folders: Iterable[Path]) -> None:
        """Write the points of finished generations that the run does not have yet."""
        self._try(lambda: self._track(folders))

    def address(self) -> str | None:
        """Where the run's page is: on the tracking server, or on `mlflow ui` of this machine; None where MLflow is away."""
        if self.broken:
            return None
        server = store_uri() if store_uri().startswith("http") else LOCAL_PAGES
        return f"{server}/#/experiments/{self._store.experiment_id}/runs/{self._run}"

    def end(self, status: str = "FINISHED") -> None:
        """Set the run's status to FINISHED or FAILED."""
        self._try(lambda: self._store.client.set_terminated(self._run, status))

    @cached_property
    def _store(self) -> Store:
        return Store(self.params)

    @cached_property
    def _run(self) -> str:
        facts = decisive(self.params, self.chain) | {"seed": self.chain.seed}
        return self._store.run(str(self.chain), _hash(facts), _flat(facts), self._store.parent())

    @cached_property
    def _logged(self) -> dict[int, float]:
        return {point.step: point.value for point in self._store.client.get_metric_history(self._run, "fid")}

    def _try(self, act: Callable[[], object]) -> None:
        if self.broken:
            return
        try:
            act()
        except Exception as error:
            self.broken = True
            log.warning("MLflow is left behind (%s); `self-consuming track` makes up for it", _first_line(error))

    def _track(self, folders: Iterable[Path]) -> None:
        made = {folder: read_json(folder / METRICS) for folder in folders}
        if any(self._logged.get(metrics["generation"], metrics["fid"]) != metrics["fid"] for metrics in made.values()):
            # a generation was made anew with another result (the code has changed): a fresh run takes the old one's place
            self._store.client.delete_run(self._run)
            del self._run, self._logged
            made = {folder: read_json(folder / METRICS) for folder in finished(self.params, self.chain, MAX_GENERATIONS)}
        new = [(folder, metrics) for folder, metrics in made.items() if metrics["generation"] not in self._logged]
        for start in range(0, len(new), BATCH):
            self._log(new[start : start + BATCH])

    def _log(self, made: list[tuple[Path, dict[str, Any]]]) -> None:
        """Write generations: their pictures first, since a point counts as there when its metrics are."""
        from mlflow.entities import Metric, RunTag

        points, tags = list[Metric](), list[RunTag]()
        for folder, metrics in made:
            generation = metrics["generation"]
            stamp = generation * 1000  # fixed, so that a point written twice would be the same point
            if generation % max(1, self.params.length(self.chain.arm) // IMAGES) == 0 or generation == 1:
                from PIL import Image

                picture = Image.open(folder / PICTURE)
                self._store.client.log_image(self._run, picture, key="samples", step=generation, timestamp=stamp)
            numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float) and key != "generation"}
            points += [Metric(key, float(value), stamp, generation) for key, value in numbers.items()]
            tags += [RunTag(f"dvc.{folder.name}", digests(folder)[SYNTHETIC]), RunTag("extractor", metrics["extractor"])]
        self._store.client.log_batch(self._run, metrics=points, tags=tags)
        self._logged.update((metrics["generation"], metrics["fid"]) for _, metrics in made)


def rebuild(params: Params) -> int:
    """Write whatever MLflow lacks of the experiment's finished generations; gives the number of chains.

    Raises RunFailed where MLflow cannot be written.
    """
    count = 0
    for chain in chains(params):
        folders = finished(params, chain, MAX_GENERATIONS)
        if folders:
            tracker = ChainTracker(params, chain)
            tracker.track(folders)
            tracker.end()
            if tracker.broken:
                raise RunFailed(f"MLflow could not be written at {store_uri()}")
            count += 1
    return count


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

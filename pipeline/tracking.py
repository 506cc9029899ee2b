"""The door to MLflow: a parent run for the experiment, a child run for each chain, the generation as step.

Everything here is rebuilt from the files, so a point is written only where it is missing, and MLflow may be away.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.layout import GRID, METRICS, SYNTHETIC, Chain, Layout, read_json
from pipeline.params import Params
from pipeline.strategies import STRATEGIES
from pipeline.versioning import READ, digests

if TYPE_CHECKING:
    pass

log = logging.getLogger("self-consuming")
KEY, HASH = "self_consuming.key", "self_consuming.params_hash"
IMAGES = 10
"""At most about so many sample pictures a chain; metrics are logged for every generation."""


def store_uri() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"


def deciding(params: Params, chain: Chain) -> dict[str, Any]:
    """The part of params.yaml that a chain's numbers depend on."""
    dump = params.model_dump(mode="json")
    arm = params.arms[chain.arm]
    sections = [key.partition(".")[0] for key in READ] + (["auxiliary"] if STRATEGIES[arm.strategy].guided else [])
    return {key: dump[key] for key in sections} | {"arm": arm.model_dump(exclude={"generations"}), "seed": chain.seed}


class Store:
    """The MLflow client and the experiment's runs in it, found by their tags. Raises MLflow's own errors."""

    def __init__(self, params: Params) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)

        self.client: MlflowClient = MlflowClient(store_uri())
        found = self.client.get_experiment_by_name(params.experiment)
        artifacts = Path("mlartifacts").resolve().as_uri()
        self.experiment_id = found.experiment_id if found else self._create(params.experiment, artifacts)

    def run(self, key: str, params_hash: str, name: str, parent: str | None = None, facts: dict[str, Any] | None = None) -> str:
        """The id of the run with this key and params hash, made (with `facts` as its params) where there is none."""
        query = f"tags.`{KEY}` = '{key}' and tags.`{HASH}` = '{params_hash}'"
        runs = self.client.search_runs([self.experiment_id], query, max_results=1)
        if runs:
            return str(runs[0].info.run_id)
        tags = {KEY: key, HASH: params_hash} | ({"mlflow.parentRunId": parent} if parent else {})
        run_id = str(self.client.create_run(self.experiment_id, run_name=name, tags=tags).info.run_id)
        from mlflow.entities import Param

        self.client.log_batch(run_id, params=[Param(k, str(v)[:6000]) for k, v in (facts or {}).items()])
        return run_id

    def _create(self, name: str, artifacts: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another process was faster
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)


class ChainTracker:
    """A chain's run. Where MLflow fails, it warns once and leaves the rest to `self-consuming track`."""

    def __init__(self, params: Params, chain: Chain) -> None:
        self.params, self.chain = params, chain
        self.broken = False

    @cached_property
    def _store(self) -> Store:
        return Store(self.params)

    @cached_property
    def _run(self) -> str:
        parent_hash = _hash(self.params.model_dump(mode="json"))
        parent = self._store.run(
            "experiment", parent_hash, self.params.experiment, facts=_flat(self.params.model_dump(mode="json"))
        )
        facts = deciding(self.params, self.chain)
        return self._store.run(str(self.chain), _hash(facts), str(self.chain), parent, _flat(facts))

    @cached_property
    def _logged(self) -> dict[int, float]:
        return {point.step: point.value for point in self._store.client.get_metric_history(self._run, "fid")}

    def track(self, folders: Iterable[Path]) -> None:
        """Write the points of finished generations that the run does not have yet."""
        if self.broken:
            return
        try:
            for folder in folders:
                self._track(folder)
        except Exception as error:
            self._leave_behind(error)

    def finish(self) -> None:
        """Mark the run as finished."""
        if self.broken:
            return
        try:
            self._store.client.set_terminated(self._run)
        except Exception as error:
            self._leave_behind(error)

    def _leave_behind(self, error: Exception) -> None:
        self.broken = True
        log.warning("MLflow is left behind (%s); `self-consuming track` makes up for it", _first_line(error))

    def _track(self, folder: Path) -> None:
        from mlflow.entities import Metric, RunTag

        metrics = read_json(folder / METRICS)
        generation = metrics["generation"]
        if generation in self._logged:
            if self._logged[generation] == metrics["fid"]:
                return
            self._forget()
        numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float) and key != "generation"}
        stamp = generation * 1000  # fixed, so that a point written twice would be the same point
        points = [Metric(key, float(value), stamp, generation) for key, value in numbers.items()]
        tags = [RunTag(f"dvc.{folder.name}", digests(folder)[SYNTHETIC]), RunTag("extractor", metrics["extractor"])]
        self._store.client.log_batch(self._run, metrics=points, tags=tags)
        if generation % max(1, self.params.length(self.chain.arm) // IMAGES) == 0 or generation == 1:
            from PIL import Image

            picture = Image.open(folder / GRID)
            self._store.client.log_image(self._run, picture, key="samples", step=generation, timestamp=stamp)
        self._logged[generation] = metrics["fid"]

    def _forget(self) -> None:
        """A generation was made anew with another result: the run is replaced by a fresh one."""
        self._store.client.delete_run(self._run)
        del self._run, self._logged


def prepare_store(params: Params) -> None:
    """Set the store up once before chains write to it side by side; a failure is only a warning."""
    try:
        Store(params)
    except Exception as error:
        log.warning("MLflow cannot be reached (%s); the run goes on without it", _first_line(error))


def rebuild(params: Params) -> int:
    """Write whatever MLflow lacks of the experiment's finished generations; gives the number of chains."""
    from pipeline.versioning import chains

    layout, count = Layout(params.experiment), 0
    for chain in chains(params):
        folders = sorted(path.parent for path in layout.chain(chain).glob(f"g*/{METRICS}") if digests(path.parent))
        if folders:
            tracker = ChainTracker(params, chain)
            tracker.track(folders)
            tracker.finish()
            count += not tracker.broken
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

"""Chains in MLflow: a parent run for the experiment, a child run for each chain, the generation as step.

Everything here is rebuilt from the files, so a point is written only where it is missing, and MLflow may be away.
"""

import json
import subprocess
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.cache import md5_of
from pipeline.chains import Chain, chains, decisive
from pipeline.files import read_json
from pipeline.layout import LOSSES, METRICS, PICTURE, SYNTHETIC, Layout
from pipeline.locks import digests, finished
from pipeline.machine import device_of
from pipeline.params import Params
from pipeline.sections import MAX_GENERATIONS
from pipeline.tracking.store import Store, digest, numbers, pages, written

IMAGES = 10
"""At most about so many sample pictures a chain; metrics are logged for every generation."""
PACKAGES = ("torch", "numpy", "prefect", "dvc", "mlflow")
"""Whose versions are tags of a run."""
BATCH = 40
"""Generations written at once: MLflow takes 100 tags and 1,000 values together."""


class ChainTracker:
    """A chain's run in the store. Raises MLflow's own errors."""

    def __init__(self, store: Store, params: Params, chain: Chain) -> None:
        self.store, self.params, self.chain = store, params, chain

    def track(self, folders: Iterable[Path]) -> None:
        """Write the points of finished generations that the run does not have yet."""
        made = {folder: read_json(folder / METRICS) for folder in folders}
        if any(self._logged.get(metrics["generation"], metrics["fid"]) != metrics["fid"] for metrics in made.values()):
            # a generation was made anew with another result (the code has changed): a fresh run takes the old one's place
            for run in (self._losses, self._run):
                self.store.client.delete_run(run)
            del self._run, self._losses, self._logged
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
        run = self.store.run(str(self.chain), digest(facts), _flat(facts), self.store.parent())
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
            values = {key: value for key, value in numbers(metrics).items() if key != "generation"}
            points += [Metric(key, float(value), stamp, generation) for key, value in values.items()]
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
    with written():
        for chain, folders in made.items():
            tracker = ChainTracker(store, params, chain)
            tracker.track(folders)
            tracker.end()
    return len(made)


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

"""Chains in MLflow: a parent run for the experiment, a child run for each chain, the generation as step.

Everything here is rebuilt from the files, so a point is written only where it is missing, and MLflow may be away.
"""

import json
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.analysis.rows import numbers
from pipeline.data import stored
from pipeline.experiment.chains import Chain, chains, decisive, judging
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.judging.evaluation import COMPARED
from pipeline.making.failures import failure
from pipeline.records.cache import md5_of
from pipeline.records.ledger import digests, finished
from pipeline.records.revision import commit
from pipeline.storage.files import read_json
from pipeline.storage.layout import LOSSES, METRICS, PICTURE, RUNNER, SYNTHETIC, TRACKER, Layout
from pipeline.storage.ownership import owned, owner
from pipeline.storage.within import Told
from pipeline.views.mlflow.long_steps import LIVE, LongSteps
from pipeline.views.mlflow.naming import changing, constants
from pipeline.views.mlflow.overview import Overview
from pipeline.views.mlflow.store import Store, digest, pages, written
from pipeline.views.resolved import resolved, resolved_device

IMAGES = 10
"""At most about so many sample pictures a chain, and those of its first and last generation."""
PACKAGES = ("torch", "numpy", "prefect", "dvc", "mlflow")
"""Whose versions are tags of a run."""
WRITTEN = "written.g"
"""The tag of a generation: a hash of what is written of it."""
LOSSES_OF_CHAIN, MOST_LOSSES, LEAST_LOSSES = 500, 200, 5
"""About so many points of a chain's loss curve, and how many a generation at most and at least; losses.json has more."""
GROWING = "generations", "seeds"
"""What an experiment may get more of and be the same."""
BATCH = 40
"""Generations written at once: MLflow takes 100 tags together."""


class Made(NamedTuple):
    """What MLflow is to have of a finished generation, and a hash of it."""

    folder: Path
    generation: int
    metrics: dict[str, Any]
    losses: dict[str, list[tuple[int, float]]]
    content: str


class ChainTracker:
    """A chain's run in the store. Raises MLflow's own errors."""

    def __init__(self, store: Store, params: Params, chain: Chain) -> None:
        self.store, self.params, self.chain = store, params, chain
        self._described = ""  # the run that has its tags
        self._steps = LongSteps(store)

    def track(self, folders: Iterable[Path]) -> None:
        """Write the points of finished generations that the run does not have yet."""
        with self._alone():
            made, begun = [_read(folder) for folder in folders], self._begun()
            if any(begun.get(each.generation, each.content) != each.content for each in made):
                # a generation was made anew with another result (the code has changed): a fresh run takes the old one's place
                for run in self._runs():
                    self.store.client.delete_run(run)
                self._forget()
                made = [_read(folder) for folder in finished(self.params, self.chain, MAX_GENERATIONS)]
            there = {point.step for point in self.store.client.get_metric_history(self._run, "fid")}
            new = [each for each in made if each.generation not in there]
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

    def begin(self) -> None:
        """Show the chain as running; it may have ended before."""
        with self._alone():
            for run in self._runs():
                self.store.client.update_run(run, "RUNNING")

    def live(self, said: Told) -> None:
        """Write how far a long step is, which nothing else depends on."""
        with self._alone():
            self._steps.log(self._live, said)

    def end(self, status: str | None = None) -> None:
        """Write the last picture, DVC's table, and the run's status, as the files have it where none is given."""
        folders = finished(self.params, self.chain, MAX_GENERATIONS)
        rows = [[int(folder.name[1:]), str(folder / SYNTHETIC), digests(folder)[SYNTHETIC]] for folder in folders]
        with self._alone():
            table = {"columns": ["generation", "file", "DVC md5"], "data": rows}
            with self.store.as_far_as_stored(self._run):
                if folders:
                    self._picture(folders[-1], len(folders))
                self.store.client.log_dict(self._run, table, "generations.json")
            status = status or self._status(len(folders))
            for run in self._runs():
                if status == "RUNNING":
                    self.store.client.update_run(run, status)
                else:
                    self.store.client.set_terminated(run, status)

    def _status(self, made: int) -> str:
        """How the chain ended, or that a run has not come to its end; a chain may be shorter than params.yaml says by wish."""
        if failure(self.params, self.chain) is not None:
            return "FAILED"
        finished_before = self.store.client.get_run(self._run).info.status == "FINISHED"
        if owner(Layout(self.params.experiment).chain(self.chain), RUNNER) is not None:  # until its last chain has ended
            return "FINISHED" if finished_before else "RUNNING"
        return "FINISHED" if finished_before or made >= self.params.length(self.chain.arm) else "KILLED"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The chain's runs for this process alone: another one may write what is missing, or delete them, too."""
        with owned(Layout(self.params.experiment).chain(self.chain), wait=True, name=TRACKER):
            vars(self).pop("_pictured", None)
            if not all(self.store.has(vars(self)[name]) for name in ("_run", "_losses", "_live") if name in vars(self)):
                self._forget()
            yield

    def _forget(self) -> None:
        for name in ("_run", "_losses", "_live", "_pictured"):
            vars(self).pop(name, None)

    @cached_property
    def _run(self) -> str:
        facts = decisive(self.params, self.chain) | judging(self.params) | {"seed": self.chain.seed}
        own = digest([facts, digest(self.store.facts)])  # every parent keeps a baseline of its own
        run = self.store.run(str(self.chain), own, _flat(facts), self.store.parent)
        self._log_real(run)
        return run

    def _log_real(self, run: str) -> None:
        """The real training set as the run's dataset, once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        path = stored.real(self.params, self.chain.seed)
        source = json.dumps({"uri": path.resolve().as_uri()})
        dataset = Dataset(path.stem, md5_of(path) or "", "local", source)
        self.store.client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    @cached_property
    def _losses(self) -> str:
        """A run below the chain's for the loss curves: their steps are training steps and would clutter the collapse curves."""
        return self.store.run(f"{self.chain} losses", self._run, {}, self._run)

    @cached_property
    def _live(self) -> str:
        """A run below the chain's for long steps, whose steps are images; there is none without them."""
        return self.store.run(f"{self.chain} {LIVE}", self._run, {}, self._run)

    def _runs(self) -> list[str]:
        """The chain's runs, its own as the last."""
        live = self.store.find(f"{self.chain} {LIVE}", self._run)
        return [self._losses, *([live] if live else []), self._run]

    def _facts(self, metrics: dict[str, Any]) -> dict[str, str]:
        """What the run's tags say of the chain and of where it was made."""
        arm = self.params.arms[self.chain.arm]
        facts = {"arm": self.chain.arm, "loop": arm.loop, "strategy": arm.strategy, "seed": str(self.chain.seed)}
        facts |= {key: str(metrics[key]) for key in COMPARED if key in metrics} | constants(numbers(metrics), self._chooses)
        facts |= {"params_hash": self.params.fingerprint, "device": resolved_device(self.params)}
        facts["version.python"] = platform.python_version()
        return facts | {f"version.{name}": version(name) for name in PACKAGES} | self._commit

    @property
    def _chooses(self) -> bool:
        """Whether the chain's guidance, and with it the cost of a sample, may differ from generation to generation."""
        return self.params.arms[self.chain.arm].guidance == "auto"

    @cached_property
    def _commit(self) -> dict[str, str]:
        """The project's commit as MLflow's own tag; nothing where there is none."""
        found = commit()
        return {"mlflow.source.git.commit": found} if found else {}

    def _begun(self) -> dict[int, str]:
        """The generations that the run has, whole or not, and what they were when they were written."""
        tags = self.store.client.get_run(self._run).data.tags
        return {int(key.removeprefix(WRITTEN)): value for key, value in tags.items() if key.startswith(WRITTEN)}

    @cached_property
    def _pictured(self) -> set[int]:
        """The generations whose pictures the run has whole: MLflow writes the small copy last."""
        paths = [each.path for each in self.store.client.list_artifacts(self._run, "images")]
        return {int(found[1]) for path in paths if (found := re.search(r"\+step\+(\d+)\+.*compressed", path))}

    def _picture(self, folder: Path, generation: int) -> None:
        """Write a generation's picture, if it is missing: MLflow would keep two."""
        if generation in self._pictured:
            return
        from PIL import Image

        shown = Image.open(folder / PICTURE)
        self.store.client.log_image(self._run, shown, key="samples", step=generation, timestamp=_stamp(generation))
        self._pictured.add(generation)

    def _log(self, made: list[Made]) -> None:
        """Write generations: what they are first, their FID last, since a generation counts as there when that is."""
        from mlflow.entities import Metric, RunTag

        points, losses, tags = list[Metric](), list[Metric](), list[RunTag]()
        length = self.params.length(self.chain.arm)
        every, most = max(1, length // IMAGES), min(MOST_LOSSES, max(LEAST_LOSSES, LOSSES_OF_CHAIN // length))
        for each in made:
            generation, stamp = each.generation, _stamp(each.generation)
            values = changing(numbers(each.metrics), self._chooses)
            points += [Metric(key, float(value), stamp, generation) for key, value in values.items()]
            losses += [
                Metric(f"loss of {name}", float(loss), stamp, (generation - 1) * curve[-1][0] + step)
                for name, curve in each.losses.items()
                for step, loss in _thinned(curve, most)
            ]
            tags.append(RunTag(f"dvc.{each.folder.name}", digests(each.folder)[SYNTHETIC]))
            tags.append(RunTag(f"{WRITTEN}{generation:03d}", each.content))
        if self._described != self._run:
            tags += [RunTag(name, value) for name, value in self._facts(made[-1].metrics).items()]
        self.store.client.log_batch(self._run, tags=tags)
        self._described = self._run
        with self.store.as_far_as_stored(self._run):
            for each in made:
                if each.generation % every == 0 or each.generation == 1:
                    self._picture(each.folder, each.generation)
        self.store.log(self._losses, losses)
        self.store.log(self._run, sorted(points, key=lambda point: point.key == "fid"))


def _read(folder: Path) -> Made:
    metrics, losses = read_json(folder / METRICS), read_json(folder / LOSSES)
    return Made(folder, metrics["generation"], metrics, losses, digest([metrics, losses]))


def _thinned(curve: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most so many points, the last one among them."""
    every = -(-len(curve) // most)
    return curve[::-1][::every][::-1]


def _stamp(generation: int) -> int:
    """A fixed time, so that a point written twice would be the same point."""
    return generation * 1000


def store_of(params: Params) -> Store:
    """The experiment's runs in MLflow, under a run that carries the params as they were understood."""
    facts = _flat(resolved(params, beforehand=True))
    growing = {key: facts.pop(key) for key in GROWING}
    return Store(params.experiment, facts, growing)


def rebuild(params: Params) -> int:
    """Write whatever MLflow lacks of the experiment's finished generations; gives the number of chains.

    Raises RunFailed where MLflow cannot be written.
    """
    made = {chain: finished(params, chain, MAX_GENERATIONS) for chain in chains(params)}
    store = store_of(params)
    with written():
        begun = [chain for chain, folders in made.items() if folders or failure(params, chain) is not None]
        for chain in begun:
            tracker = ChainTracker(store, params, chain)
            tracker.track(made[chain])
            tracker.end()
        if begun:
            Overview(store, params).conclude()
    return len(begun)


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat

"""The door to MLflow: the store, its experiments and their runs, found by their tags."""

import hashlib
import json
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from pipeline.experiment.errors import RunFailed, in_a_line
from pipeline.storage.databases import begin_with_template, sqlite_url
from pipeline.views.mlflow.migrations import migrate_anywhere
from pipeline.views.mlflow.moving import ARTIFACTS, bring_along
from pipeline.views.mlflow.naming import told_apart

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

log = logging.getLogger("self-consuming")
KEY, HASH = "self_consuming.key", "self_consuming.params_hash"
PARENT, UNDER = "experiment", "mlflow.parentRunId"
OWN = Path("mlflow.db")
"""The store of a project that names no other."""
LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows its pages."""
PAUSE_SECONDS = 60.0
"""How long nothing is tried after a fault."""
VALUES, PARAMS = 1000, 100
"""Numbers and params that MLflow takes together."""


def store_uri() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or a SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip() or sqlite_url(OWN)


def curves() -> str:
    """The command, or the address, that shows the curves."""
    uri = public(store_uri())
    if uri.startswith("http"):
        return uri
    named = shlex.quote(uri) if uri == store_uri() else '"$MLFLOW_TRACKING_URI"'
    return f"mlflow ui --backend-store-uri {named}"


def pages() -> str:
    """Where MLflow's pages are: on the tracking server, or on `mlflow ui` of this machine."""
    return public(store_uri()) if store_uri().startswith("http") else LOCAL_PAGES


def public(text: str) -> str:
    """A text in which the store's address has neither user nor password."""
    place = store_uri().partition("://")[2].partition("/")[0]  # urlsplit refuses some that are wrong, and says so only there
    return text.replace(place, place.rpartition("@")[2]) if "@" in place else text


def library() -> "type[MlflowClient]":
    """MLflow's client, which tells of a fault at once and leaves it to us to say so. Its import takes more than a second."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with its password
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    migrate_anywhere()
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    utils.MAX_RETRY_COUNT = 1  # a database that cannot be opened would be tried again for two minutes
    return MlflowClient


class Store:
    """The MLflow client and the experiment's runs in it, found by their tags; connects when it is first needed.

    `facts` are the params of the run that holds the others together. MLflow's params do not change, so with other facts it is
    another run, with runs of its own below it; `growing` is what may change in one, as its tags. Raises MLflow's own errors.
    """

    def __init__(self, experiment: str, facts: dict[str, Any] | None = None, growing: dict[str, Any] | None = None) -> None:
        self.experiment, self.facts, self.growing = experiment, facts or {}, growing or {}
        self.broken = self._unstored = False
        self._again = 0.0

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client."""
        made = library()
        if store_uri() == sqlite_url(OWN):
            begin_with_template("mlflow", OWN)
            bring_along(OWN)
        elif store_uri().startswith("sqlite:"):
            bring_along(Path(unquote(urlsplit(store_uri()).path)[1:]), others=False)
        client = made(store_uri())
        if (place := quote(str(Path.cwd()))) != str(Path.cwd()):
            with suppress(OSError):
                os.removedirs(place)  # MLflow makes the folder as it is written in the URL, too
        return client

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's id, made where there is none; pictures lie in the project unless a server stores them."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found:
            if found.lifecycle_stage != "active":  # MLflow keeps the name of one that was deleted on its pages
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        artifacts = None if store_uri().startswith("http") else ARTIFACTS.resolve().as_uri()
        return str(self.client.create_experiment(self.experiment, artifact_location=artifacts))

    def run(self, key: str, fingerprint: str, facts: dict[str, Any], parent: str | None = None, name: str | None = None) -> str:
        """The id of the run with this key and fingerprint and, as its params, `facts`; made where there is none."""
        from mlflow.entities import Param

        run = self._found(key, fingerprint)
        if run is None:
            tags = {KEY: key, HASH: fingerprint} | ({UNDER: parent} if parent else {})
            made = self.client.create_run(self.experiment_id, run_name=name or key, tags=tags)
            run = self._found(key, fingerprint) or made
            if run.info.run_id != made.info.run_id:  # another process has made it at the same time
                self.client.delete_run(made.info.run_id)
        if parent and run.data.tags.get(UNDER) != parent:
            self.client.set_tag(run.info.run_id, UNDER, parent)
        lacking = [Param(key, str(value)[:6000]) for key, value in facts.items() if key not in run.data.params]
        for start in range(0, len(lacking), PARAMS):
            self.client.log_batch(run.info.run_id, params=lacking[start : start + PARAMS])
        return str(run.info.run_id)

    def find(self, key: str, fingerprint: str) -> str | None:
        """The id of the run with this key and fingerprint; None where there is none."""
        run = self._found(key, fingerprint)
        return str(run.info.run_id) if run else None

    def _found(self, key: str, fingerprint: str) -> "Run | None":
        """The first run with this key and fingerprint; of several, all processes find the same one."""
        return self._oldest(f"tags.`{KEY}` = '{key}' and tags.`{HASH}` = '{fingerprint}'")

    def _oldest(self, query: str) -> "Run | None":
        oldest = ["attributes.start_time ASC", "attributes.run_id ASC"]
        found = self.client.search_runs([self.experiment_id], query, max_results=1, order_by=oldest)
        return found[0] if found else None

    @cached_property
    def parent(self) -> str:
        """The id of the run that holds the experiment's chains together, named by what its params have different."""
        first = self._oldest(f"tags.`{KEY}` = '{PARENT}'")
        former = {key: value for key, value in (first.data.params if first else {}).items() if key not in self.growing}
        name = told_apart(self.facts, former, self.experiment)
        run_id = self.run(PARENT, digest(self.facts), self.facts, name=name)
        for key, value in self.growing.items():
            self.client.set_tag(run_id, key, str(value))
        self.client.set_terminated(run_id)
        return run_id

    def renew_parent(self) -> None:
        """Put a fresh run in the place of the one that holds the chains together."""
        former = self.parent
        below = self.client.search_runs([self.experiment_id], f"tags.`{UNDER}` = '{former}'")
        self.client.delete_run(former)
        del self.parent
        for run in below:
            self.client.set_tag(run.info.run_id, UNDER, self.parent)

    def has(self, run: str) -> bool:
        """Whether a run is there, and not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self.client.get_run(run).info.lifecycle_stage == "active")
        except MlflowException:
            return False

    def log(self, run: str, points: list["Metric"]) -> None:
        """Write points of a run, in their order, as many at once as MLflow takes."""
        for start in range(0, len(points), VALUES):
            self.client.log_batch(run, metrics=points[start : start + VALUES])

    @contextmanager
    def as_far_as_stored(self, run: str) -> Iterator[None]:
        """Where pictures and tables have no place that this machine can write, say so once: curves arrive all the same."""
        try:
            yield
        except Exception as error:
            if not self._unstored:
                where = public(str(self.client.get_run(run).info.artifact_uri))
                log.warning("MLflow's pictures cannot be stored at %s (%s); the curves are complete", where, cause(error))
            self._unstored = True

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do something in MLflow, and say whether it was done. Where it fails, warn, and try nothing for a while.

        So a store that is away costs a wait now and then, not one a chain.
        """
        if time.monotonic() < self._again:
            return False
        try:
            act()
        except Exception as error:
            if not self.broken:
                log.warning("MLflow is left behind (%s); `self-consuming track` makes up for it", cause(error))
            self.broken, self._again = True, time.monotonic() + PAUSE_SECONDS
            return False
        if self.broken:
            log.warning("MLflow can be written again: what it lacks is made up for")
        self.broken = False
        return True


@contextmanager
def written() -> Iterator[None]:
    """What is done by writing to MLflow alone: raises RunFailed where it cannot be."""
    try:
        yield
    except Exception as error:
        raise RunFailed(f"MLflow could not be written at {public(store_uri())}: {cause(error)}") from error


def digest(content: Any) -> str:
    """A short hash of something that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def cause(error: BaseException) -> str:
    """What the error says that all others came from: a driver's few words rather than what the layers above made of them."""
    while error.__cause__ is not None:
        error = error.__cause__
    return public(in_a_line(error))

"""What people watch a run by: MLflow's curves and the run's page in Prefect, brought up to date every few seconds."""

import json
import time
from pathlib import Path
from threading import Event
from typing import Any, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_link_artifact, create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from flows.watching.showing import UPDATE_SECONDS, attempt, counted, pause
from flows.watching.step_views import StepView
from pipeline.experiment.chains import Chain
from pipeline.experiment.params import Params
from pipeline.records.ledger import digests
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, SYNTHETIC, Layout
from pipeline.storage.within import Told
from pipeline.views.mlflow.chain_runs import ChainTracker
from pipeline.views.mlflow.overview import Overview
from pipeline.views.mlflow.store import Store, curves


@task(name="track", cache_policy=NO_CACHE)
def track(tracker: ChainTracker, folders: list[Path]) -> bool:
    """Log metrics and pictures of finished generations in MLflow; says whether it has them."""
    return tracker.store.attempt(lambda: tracker.track(folders))


class ChainView:
    """What is seen of one chain in a flow run; made inside it. The run's page is left alone once its server is lost.

    A generation is shown with those that follow it within UPDATE_SECONDS, or longer where showing `places` chains at once takes
    more than its share of the time: looking on must not cost what computing needs.
    """

    def __init__(self, store: Store, params: Params, chain: Chain, generations: int, places: int, lost: Event) -> None:
        self.params, self.chain, self.generations = params, chain, generations
        self._places = places
        self.layout = Layout(params.experiment)
        self.tracker = ChainTracker(store, params, chain)
        self._lost = lost
        self._new: list[Path] = []
        self._rows: list[dict[str, Any]] = []
        self._due = 0.0
        self._begun = False
        folder = self.layout.chain(chain)
        self._step = StepView(str(chain), f"{self._key}-step", folder, places, self._live, lambda: not lost.is_set())
        self._progress: UUID | None = None
        self._table: UUID | None = None

    def begins(self) -> None:
        """Another step begins."""
        self._step.done()

    def within(self, said: Told | None) -> None:
        """Show how far the step at work is, where it is a long one."""
        self._step.look(said)

    def reached(self, generation: int) -> None:
        """Take note of a finished generation; show what is new where it is time to."""
        self._step.done()
        folder = self.layout.generation(self.chain, generation)
        self._new.append(folder)
        fid, md5 = read_json(folder / METRICS)["fid"], digests(folder)[SYNTHETIC]
        self._rows.append({"generation": generation, "FID": fid, "DVC md5": md5})
        if generation == self.generations or time.monotonic() >= self._due:
            first = self._due == 0.0
            with counted(self.layout.chain(self.chain)):
                self._begin()
            seconds = self._show(generation)
            self._due = time.monotonic() + (UPDATE_SECONDS if first else pause(seconds, self._places))

    def ended(self, failed: bool) -> None:
        """Show what is left, and write down how the chain ended; one that was stopped in order has less than was wanted."""
        if self._new:
            self._show(int(self._new[-1].name[1:]))
        complete = bool(self._rows) and self._rows[-1]["generation"] == self.generations
        self._end("FAILED" if failed else "FINISHED" if complete else "KILLED")

    def stopped(self) -> None:
        """Write down that the chain was stopped, if it had begun."""
        if self._rows or self._begun:
            self._end("KILLED")

    def _begin(self) -> None:
        """Write down that the chain is at work, once."""
        if not self._begun:
            self._begun = self.tracker.store.attempt(self.tracker.begin)

    def _live(self, said: Told) -> None:
        self._begin()
        self.tracker.store.attempt(lambda: self.tracker.live(said))

    def _end(self, status: str) -> None:
        with counted(self.layout.chain(self.chain)):
            self.tracker.store.attempt(lambda: self.tracker.end(status))

    @property
    def _key(self) -> str:
        return f"{self.params.experiment}-{self.chain.arm}-seed{self.chain.seed}"

    def _show(self, generation: int) -> float:
        """Show what is new; gives the seconds of processor time that it took."""
        used = time.process_time()
        with counted(self.layout.chain(self.chain), generation=generation):
            if track(self.tracker, self._new):
                self._new = []
            if not self._lost.is_set():
                self._show_page(generation)
        return time.process_time() - used

    def _show_page(self, generation: int) -> None:
        """Bring the run's page in Prefect up to date."""
        percent, text = 100 * generation / self.generations, f"{self.chain}: generation {generation} of {self.generations}"
        attempt(self._show_table)
        if self._progress is None:
            self._progress = cast(UUID | None, attempt(lambda: create_progress_artifact(percent, self._key, text)))
            if address := self.tracker.address():
                link = f"{self.chain} in MLflow", f"{self._key}-curves", f"`{curves()}`"
                attempt(lambda: create_link_artifact(address, *link))
        else:
            known = self._progress
            attempt(lambda: update_progress_artifact(known, percent, text))

    def _show_table(self) -> None:
        """The chain's generations, a row each."""
        if self._table is None:
            title = f"{self._key}-generations", f"{self.chain}: its generations"
            self._table = cast(UUID, create_table_artifact(self._rows, *title))
        else:
            get_client(sync_client=True).update_artifact(self._table, ArtifactUpdate(data=json.dumps(self._rows)))


def link_chart(params: Params, overview: Overview) -> None:
    """Link to the curves of all arms on the page of the flow run."""
    with counted(Layout(params.experiment).runs):
        if address := overview.address():
            link = "collapse curves in MLflow", f"{params.experiment}-curves", f"`{curves()}`"
            attempt(lambda: create_link_artifact(address, *link))


def link_report(params: Params, path: Path) -> None:
    """Link to the report on the page of the flow run."""
    key = f"{params.experiment}-report"
    attempt(lambda: create_link_artifact(path.resolve().as_uri(), "report", key, f"`{path}`, in the project's folder"))

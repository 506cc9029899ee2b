"""What a run shows on its page in Prefect: every chain's progress, a table of the generations, links to curves and report."""

import time
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect.artifacts import create_link_artifact, create_progress_artifact, create_table_artifact, update_progress_artifact

from pipeline.chains import Chain
from pipeline.files import read_json
from pipeline.layout import METRICS, SYNTHETIC, Layout
from pipeline.locks import digests, finished
from pipeline.params import Params
from pipeline.tracking import ChainTracker, curves

UPDATE_SECONDS = 5.0


class Page:
    """The artifacts of one flow run; made inside it."""

    def __init__(self, params: Params, wanted: dict[Chain, int]) -> None:
        self.params, self.wanted = params, wanted
        self._progress: dict[Chain, UUID] = {}
        self._next: dict[Chain, float] = {}

    def reached(self, chain: Chain, generation: int) -> None:
        """Move the chain's progress on, but not more often than people look."""
        if generation < self.wanted[chain] and time.monotonic() < self._next.get(chain, 0.0):
            return
        self._next[chain] = time.monotonic() + UPDATE_SECONDS
        percent = 100 * generation / self.wanted[chain]
        text = f"{chain}: generation {generation} of {self.wanted[chain]}"
        if chain in self._progress:
            update_progress_artifact(self._progress[chain], percent, text)
        else:
            self._progress[chain] = cast(UUID, create_progress_artifact(percent, self._key(chain), text))

    def ended(self, chain: Chain, tracker: ChainTracker) -> None:
        """Show the chain's generations in a table, and where its curves are."""
        rows = [
            {"generation": number, "FID": read_json(folder / METRICS)["fid"], "DVC md5": digests(folder)[SYNTHETIC]}
            for number, folder in enumerate(finished(self.params, chain, self.wanted[chain]), start=1)
        ]
        create_table_artifact(rows, f"{self._key(chain)}-generations", f"{chain}: its generations")
        if address := tracker.address():
            create_link_artifact(address, f"{chain} in MLflow", f"{self._key(chain)}-curves", f"`{curves()}`")

    def report(self, path: Path) -> None:
        """Link to the report."""
        key = f"{self.params.experiment}-report"
        create_link_artifact(path.resolve().as_uri(), "report", key, f"{Layout(self.params.experiment).reports}")

    def _key(self, chain: Chain) -> str:
        return f"{self.params.experiment}-{chain.arm}-seed{chain.seed}"

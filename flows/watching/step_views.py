"""A long step while it lasts: on the run's page in Prefect, a progress artifact for each, and in MLflow."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.watching.long_steps import sentence
from flows.watching.showing import UPDATE_SECONDS, attempt, counted, pause
from pipeline.storage.within import Told

AWAY_SECONDS = 60.0
"""How long nothing is tried after Prefect has not answered: its client tries for seconds, and other chains wait."""


class StepView:
    """What is seen of the long steps of one chain, or of something that all chains share.

    A step is shown once it has lasted UPDATE_SECONDS, and then as often, or less where showing `places` chains takes more than
    its share of the time. `key` is the artifacts' name, `log` writes to MLflow, and `page` says whether Prefect can be asked.
    """

    def __init__(
        self, name: str, key: str, folder: Path, places: int, log: Callable[[Told], object], page: Callable[[], bool]
    ) -> None:
        self._name, self._key, self._folder, self._places, self._log, self._page = name, key, folder, places, log, page
        self._due = 0.0
        self._shown: tuple[int, str] | None = None
        self._artifact: UUID | None = None

    def look(self, said: Told | None) -> None:
        """Show how far the step at work is, if it is time to."""
        if said is None or said.seconds < UPDATE_SECONDS or time.monotonic() < self._due:
            return
        used = time.process_time()
        with counted(self._folder, generation=said.generation):
            self._log(said)
            shown = not self._page() or self._show(said)
        rest = pause(time.process_time() - used, self._places)
        self._due = time.monotonic() + (rest if shown else max(rest, AWAY_SECONDS))

    def done(self) -> None:
        """The step has come to its end: something else has begun."""
        if self._artifact and self._shown and self._page():
            generation, step = self._shown
            known, text = self._artifact, f"{self._name}, generation {generation}: {step} is done"
            attempt(lambda: update_progress_artifact(known, 100.0, text))
        self._artifact = self._shown = None

    def _show(self, said: Told) -> bool:
        """Bring the step's artifact up to date; says whether that was done."""
        percent, text = 100 * said.share, f"{self._name}, generation {said.generation}: {sentence(said)}"
        if self._artifact and self._shown == (said.generation, said.step):
            known = self._artifact
            return attempt(lambda: update_progress_artifact(known, percent, text)) is not None
        self.done()
        self._artifact = cast(UUID | None, attempt(lambda: create_progress_artifact(percent, self._key, text)))
        self._shown = said.generation, said.step
        return self._artifact is not None

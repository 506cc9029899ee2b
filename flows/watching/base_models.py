"""Base models in the making, which no chain announces: a thread watches them while the run's own is at work on one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from threading import Event, Thread

from flows.watching.announcements import Announcement
from flows.watching.long_steps import base_of
from flows.watching.progress import REFRESH_SECONDS, Progress
from flows.watching.step_views import StepView
from pipeline.experiment.params import Params
from pipeline.storage.layout import Layout
from pipeline.storage.within import Told, told
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.long_steps import BaseTracker

LAST_SECONDS = 2.0
"""How long it may take to show the end."""


@contextmanager
def bases_watched(params: Params, seeds: Iterable[int], page: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Show how far base models are while the block makes them: on the terminal, in MLflow, and in Prefect if `page` says so."""
    bases, over = Bases(params, list(dict.fromkeys(seeds)), page), Event()
    thread = Thread(
        target=copy_context().run, args=(bases.watch, over), name="bases", daemon=True
    )  # Prefect's flow run is known
    thread.start()
    try:
        yield
        bases.status = "FINISHED"
    finally:
        over.set()
        thread.join(LAST_SECONDS)


class Bases:
    """What is seen of base models; nothing where none takes long."""

    def __init__(self, params: Params, seeds: list[int], page: Callable[[], bool]) -> None:
        self.params, self.seeds, self.layout = params, seeds, Layout(params.experiment)
        self.store = store_of(params)
        self.tracker = BaseTracker(self.store, params.fingerprint)
        self.status = "KILLED"
        self._views = {seed: self._view(seed, page) for seed in seeds}

    def watch(self, over: Event) -> None:
        """Look, again and again, until it is over."""
        at_work, tracked = None, False
        with ExitStack() as stack:
            progress = None
            while not over.wait(REFRESH_SECONDS):
                found = next(((seed, said) for seed in self.seeds if (said := told(self.layout.base(seed)))), None)
                if at_work is not None and (found is None or found[0] != at_work):
                    self._views[at_work].done()
                    if progress:
                        progress.ended(base_of(at_work), failed=False)
                at_work = found[0] if found else None
                if found is None:
                    continue
                progress = progress or stack.enter_context(Progress({base_of(seed): 1 for seed in self.seeds}))
                self._show(progress, *found)
                tracked = True
            if at_work is not None and self.status == "FINISHED":
                self._views[at_work].done()
        if tracked:
            self.store.attempt(lambda: self.tracker.end(self.status))

    def _show(self, progress: Progress, seed: int, said: Told) -> None:
        progress.begins(base_of(seed), Announcement(said.generation, said.seconds, said.step))
        progress.within(base_of(seed), said)
        self._views[seed].look(said)

    def _view(self, seed: int, page: Callable[[], bool]) -> StepView:
        def log(said: Told) -> None:
            self.store.attempt(lambda: self.tracker.live(seed, said))

        key = f"{self.params.experiment}-base-seed{seed}-step"
        return StepView(str(base_of(seed)), key, self.layout.runs, 1, log, page)

"""What all chains share, in the making, which no chain announces: a thread watches while the run's own is at work on it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from threading import Event, Thread

from flows.watching.announcements import Announcement
from flows.watching.long_steps import Shared, shared
from flows.watching.progress import REFRESH_SECONDS, Progress
from flows.watching.step_views import StepView
from pipeline.experiment.params import Params
from pipeline.storage.layout import Layout
from pipeline.storage.within import Told, told
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.long_steps import SharedTracker

LAST_SECONDS = 2.0
"""How long it may take to show the end."""


@contextmanager
def making_watched(params: Params, seeds: Iterable[int], page: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Show how far data, extractor, floor and base models are while the block makes them.

    On the terminal, in MLflow, and in Prefect if `page` says so.
    """
    making, over = Making(params, shared(Layout(params.experiment), seeds), page), Event()
    context = copy_context()  # Prefect's flow run is known
    thread = Thread(target=context.run, args=(making.watch, over), name="making", daemon=True)
    thread.start()
    try:
        yield
        making.status = "FINISHED"
    finally:
        over.set()
        thread.join(LAST_SECONDS)


class Making:
    """What is seen of it; nothing where nothing takes long."""

    def __init__(self, params: Params, wanted: list[Shared], page: Callable[[], bool]) -> None:
        self.params, self.wanted, self.layout = params, wanted, Layout(params.experiment)
        self.store = store_of(params)
        self.tracker = SharedTracker(self.store, params.fingerprint)
        self.status = "KILLED"
        self._views = {each: self._view(each, page) for each in wanted}

    def watch(self, over: Event) -> None:
        """Look, again and again, until it is over."""
        at_work, tracked = None, False
        with ExitStack() as stack:
            progress = None
            while not over.wait(REFRESH_SECONDS):
                found = next(((each, said) for each in self.wanted if (said := told(each.path))), None)
                if at_work is not None and (found is None or found[0] != at_work):
                    self._views[at_work].done()
                    if progress:
                        progress.ended(at_work, failed=False)
                at_work = found[0] if found else None
                if found is None:
                    continue
                progress = progress or stack.enter_context(Progress({}))
                self._show(progress, *found)
                tracked = True
            if at_work is not None and self.status == "FINISHED":
                self._views[at_work].done()
        if tracked:
            self.store.attempt(lambda: self.tracker.end(self.status))

    def _show(self, progress: Progress, made: Shared, said: Told) -> None:
        progress.joined_by(made)
        progress.begins(made, Announcement(said.generation, said.seconds, said.step))
        progress.within(made, said)
        self._views[made].look(said)

    def _view(self, made: Shared, page: Callable[[], bool]) -> StepView:
        def log(said: Told) -> None:
            self.store.attempt(lambda: self.tracker.live(made.name, said))

        key = f"{self.params.experiment}-{made.name.replace('/', '-')}-step"
        return StepView(made.name, key, self.layout.runs, 1, log, page)

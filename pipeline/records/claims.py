"""Who may work on an experiment: one run, or one `dvc repro`, at a time.

Both would make the same stages. DVC removes what it holds for stale before it makes it anew, and asks nobody: so a run does not
begin beside a `dvc repro`, and the commands of a `dvc repro` refuse to work beside a run.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import RunFailed
from pipeline.records.repository import TMP, Versions
from pipeline.storage.layout import RUNNER, Layout
from pipeline.storage.ownership import owned, owner, worked_on

RUNNING = Path(TMP) / "rwlock"
"""Where DVC notes which paths the stage that it runs reads and writes, with its process."""


@contextmanager
def claimed(versions: Versions, layout: Layout, wanted: Iterable[Chain]) -> Iterator[None]:
    """The chains for this run alone. Raises RunFailed, with its number, where another process works on them."""
    with ExitStack() as stack:
        with versions.held():  # nobody begins meanwhile
            refuse_beside_dvc([layout.runs, layout.reports])
            for chain in wanted:
                stack.enter_context(owned(layout.chain(chain), name=RUNNER))
                with owned(layout.chain(chain), nameless=True):
                    pass
        yield


def refuse_beside_dvc(folders: list[Path]) -> None:
    """Raise RunFailed where a `dvc repro` makes something in the folders."""
    with suppress(OSError):
        try:
            written = json.loads(RUNNING.read_text(encoding="utf-8"))["write"]
        except (ValueError, LookupError, TypeError):  # cut by a kill: DVC would refuse to work
            RUNNING.unlink()
            return
        for path, who in written.items():
            for folder in folders:
                if Path(path).is_relative_to(folder.resolve()) and _is_dvc(int(who["pid"])):
                    raise RunFailed(worked_on(folder, f"{who['pid']} (dvc)"))


def refuse_beside_a_run(layout: Layout) -> None:
    """Raise RunFailed where a run works on any chain of the experiment."""
    for folder in sorted(layout.runs.glob("*/seed*")):
        if process := owner(folder, RUNNER):
            raise RunFailed(worked_on(folder, process))


def _is_dvc(process: int) -> bool:
    try:
        return any("dvc" in word for word in psutil.Process(process).cmdline())
    except psutil.Error:
        return False

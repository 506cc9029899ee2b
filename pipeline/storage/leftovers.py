"""What processes leave behind when they are killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.experiment.errors import RunFailed
from pipeline.storage.layout import RECIPE, STUDY_FOLDER
from pipeline.storage.ownership import owned, owner
from pipeline.storage.within import SUFFIX


@contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Clear a chain's folder of it before the block and after it, where nobody works on the chain; checkpoints stay."""
    _clear(folder)
    try:
        yield
    finally:
        _clear(folder)


def _clear(folder: Path) -> None:
    with suppress(RunFailed), owned(folder, nameless=True):
        for path in [*folder.glob("*.partial"), *folder.glob("g*/*.partial"), *folder.glob(f"*{SUFFIX}")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sweep_studies() -> None:
    """Remove the recipes of studies that nobody works on: those of runs that were killed, or written by `study --recipe`."""
    for path in STUDY_FOLDER.glob(f"*/{RECIPE}"):
        if owner(path.parent) is None:
            path.unlink(missing_ok=True)

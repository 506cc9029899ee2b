"""What processes leave half-made in a chain's folder when they are killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.experiment.errors import RunFailed
from pipeline.storage.ownership import owned


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
        for path in [*folder.glob("*.partial"), *folder.glob("g*/*.partial")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

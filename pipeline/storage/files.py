"""How files get where they belong: writes that either happen or don't."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.experiment.errors import RunFailed, in_a_line
from pipeline.storage.layout import LOCK, RECIPE

Recording = AbstractContextManager[None]
"""Within it files are put in their place; it may record them in DVC."""


@contextmanager
def staged(folder: Path, recording: Recording | None = None) -> Iterator[Path]:
    """A folder beside `folder` to work in; when the block ends well, its files replace those that were there.

    A kill leaves the old files, or a mixture that DVC recognises by its hashes and recomputes. Recipe and lock stay. The files
    are replaced within `recording`, which may record them.
    """
    work = folder.with_name(folder.name + ".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    with recording or nullcontext():
        _replace(work, folder)


def _replace(work: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = sorted(file.name for file in work.iterdir())
    for name in made:
        os.replace(work / name, folder / name)
    for old in folder.iterdir():
        if old.name not in (RECIPE, LOCK, *made):
            old.unlink()
    _sync(folder)
    work.rmdir()


@contextmanager
def appearing_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there under its name when the block ends well, or not at all: temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # a full disk should not be fuller for it
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with appearing_whole(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, atomically; not-a-number is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises RunFailed for a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFailed(f"{path} is no valid JSON file: {error}") from None


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write an array as .npy, atomically and without pickles."""
    buffer = BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def read_array(path: Path) -> NDArray[np.generic]:
    """Read an .npy array. Raises RunFailed for a damaged file, and for one that would need a pickle, which could run code."""
    try:
        with path.open("rb") as file:
            array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python's literals, which can fail in any way
        raise RunFailed(f"{path} is no valid array file: {in_a_line(error)}") from None
    return array


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Disks that are full, or soon will be: root alone can mount them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOM = 64 * 1024
"""What is left on a disk that is full soon: too little for the generations of two chains."""


@contextmanager
def small_disk(disk: Path) -> Iterator[Path]:
    """A disk of 400 MB, in memory."""
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def filled(disk: Path, but: int) -> Path:
    """Fill a disk but for so many bytes; gives the file that does."""
    there, filler = os.statvfs(disk), disk / "filler"
    filler.write_bytes(bytes(there.f_bavail * there.f_frsize - but))
    return filler

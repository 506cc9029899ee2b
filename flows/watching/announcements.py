"""What chains say while they run: a file each in the shared project folder, written by the chain, read by the flow's process.

A file needs no connection between the two, wherever the chain runs, and a line that a kill has cut is simply not read.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.storage.layout import ANNOUNCED


class Announcement(NamedTuple):
    """A chain begins a step of a generation, or, without a step, the generation is there.

    Attributes:
        generation: which.
        seconds: how long the chain has been at work in this run.
        step: the step that begins.
        made: the generation was made or judged now, not found current.
        anew: why it was, where it was in place of one that was stale.
    """

    generation: int
    seconds: float
    step: str | None = None
    made: bool = False
    anew: str = ""


def announce(folder: Path, said: Announcement) -> None:
    """Tell the flow's process; called by the owner of the chain's folder alone."""
    with (folder / ANNOUNCED).open("ab") as file:
        file.write(json.dumps(said).encode() + b"\n")


class Announcements:
    """The reader of one chain's announcements, from now on."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / ANNOUNCED
        self._path.touch()
        self._read = self._path.stat().st_size

    def new(self) -> Iterator[Announcement]:
        """Those that have come since the last call. The file is opened anew: a network file system looks again only then."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        for line in whole.splitlines():
            yield Announcement(*json.loads(line))

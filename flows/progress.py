"""Progress on stderr: one line a finished generation, with chain, generation, FID now and at generation 1, time left."""

import os
import sys

from flows.announcements import Announcement
from pipeline.chains import Chain

QUIET = "SELF_CONSUMING_QUIET"


class Progress:
    """The progress of one chain; time left is judged by the generations made in this run."""

    def __init__(self, chain: Chain, generations: int) -> None:
        self.chain, self.generations = chain, generations
        self.made = 0
        self.first_fid: float | None = None

    def generation(self, said: Announcement, fid: float) -> None:
        """A generation is there; one that was found current gives no line."""
        number = said.generation
        if number == 1:
            self.first_fid = fid
        if not said.made:
            return
        self.made += 1
        left = (self.generations - number) * said.seconds / self.made
        against = f" (generation 1: {self.first_fid:.4g})" if self.first_fid is not None else ""
        line = f"{self.chain!s:<20} generation {number:>3}/{self.generations}  FID {fid:<9.4g}{against}  left {clock(left)}"
        line += "  made anew: files, code, params or inputs had changed" if said.anew else ""
        say(line)


def say(line: str) -> None:
    """Print a line of progress at once, unless SELF_CONSUMING_QUIET (`--quiet`) is set."""
    if QUIET not in os.environ:
        print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"

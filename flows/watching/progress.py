"""Progress on stderr: where every chain is, with its step, FID now and at generation 1, and the time left.

On a terminal, a line a chain that changes in place; elsewhere, a line for every finished generation, and one now and then for a
step that lasts.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from flows.watching.announcements import Announcement
from flows.watching.long_steps import Shared, cell, clock, sentence
from pipeline.experiment.chains import Chain
from pipeline.storage.within import Told

log = logging.getLogger("self-consuming")
QUIET = "SELF_CONSUMING_QUIET"
"""Set by `--quiet`: no progress."""
PLAIN = "SELF_CONSUMING_PLAIN"
"""Set by `--verbose`: lines, since what Prefect logs would tear a display."""
REFRESH_SECONDS = 0.5
LINE_SECONDS = 30.0
"""How long nothing has been said of a chain when a long step of it is given a line."""
WAITING, COMPLETE, FAILED = "waiting", "complete", "failed"
HEADS = {"chain": 5, "generation": 10, "step": 13, "FID": 9, "generation 1": 12, "left": 6}
"""The display's columns and how wide they are at least, so that they stay where they are."""
WITHIN = "within the step"
"""The column that is there while a long step is."""
SPARED = "step", "generation 1", "left", "FID"
"""What is left out first where the terminal is narrow."""
SPARED_WITHIN = "generation 1", "FID", "left", "step", WITHIN
"""The same while a long step lasts, which is what there is to see."""
GAP = 2


class ChainProgress:
    """What is known of one chain, or of what is made before all; time left is judged by the generations made in this run."""

    def __init__(self, chain: Chain | Shared, generations: int) -> None:
        self.chain, self.generations = chain, generations
        self.generation = self.made = 0
        self.state = WAITING
        self.fid: float | None = None
        self.first_fid: float | None = None
        self.left: float | None = None
        self.within: Told | None = None
        self.spoken = time.monotonic()

    def begins(self, said: Announcement) -> None:
        """A step of a generation begins."""
        self.generation, self.state, self.within = said.generation, said.step or self.state, None

    def reached(self, said: Announcement, fid: float) -> None:
        """A generation is there."""
        self.generation, self.fid, self.within = said.generation, fid, None
        if said.generation == 1:
            self.first_fid = fid
        if said.made:
            self.made += 1
            self.left = (self.generations - said.generation) * said.seconds / self.made

    def line(self, anew: str) -> str:
        """The generation that is there, in a line of its own."""
        against = f" (generation 1: {self.first_fid:.4g})" if self.first_fid is not None else ""
        where = f"{self.chain!s:<20} generation {self.generation:>3}/{self.generations}"
        text = f"{where}  FID {self.fid:<9.4g}{against}  left {clock(self.left or 0)}"
        return text + (f"  {anew}" if anew else "")

    def long_line(self, said: Told) -> str:
        """How far the step at work is, in a line of its own."""
        return f"{self.chain!s:<20} making {said.generation}/{self.generations}  {sentence(said)}"

    def cells(self) -> dict[str, str]:
        """The chain's line of the display: what stands below each of HEADS."""
        now, first = (f"{fid:.4g}" if fid is not None else "" for fid in (self.fid, self.first_fid))
        left = clock(self.left) if self.left is not None and self.state not in (COMPLETE, FAILED) else ""
        texts = str(self.chain), f"{self.generation}/{self.generations}", self.state, now, first, left
        return dict(zip(HEADS, texts)) | {WITHIN: cell(self.within) if self.within else ""}


class Progress:
    """The progress of a run's chains, on display while the block lasts where the terminal can show it."""

    def __init__(self, wanted: Mapping[Chain, int] | Mapping[Shared, int]) -> None:
        self.chains: dict[Chain | Shared, ChainProgress] = {
            chain: ChainProgress(chain, generations) for chain, generations in wanted.items()
        }
        self._display = self._live() if _fits() else None
        self._handler = Above(self._display) if self._display else None

    def __enter__(self) -> "Progress":
        if self._display and self._handler:
            self._display.start()
            log.addHandler(self._handler)
            log.propagate = False
        return self

    def __exit__(self, *error: object) -> None:
        if self._display and self._handler:
            log.propagate = True
            log.removeHandler(self._handler)
            self._display.stop()

    def joined_by(self, made: Shared) -> None:
        """What takes long before all chains is seen from then on."""
        self.chains.setdefault(made, ChainProgress(made, 1))

    def begins(self, chain: Chain | Shared, said: Announcement) -> None:
        """A step of a generation begins."""
        self.chains[chain].begins(said)

    def reached(self, chain: Chain | Shared, said: Announcement, fid: float) -> None:
        """A generation is there; one that was found current gives no line."""
        self.chains[chain].reached(said, fid)
        if said.made and not self._display:
            self._say(chain, self.chains[chain].line(said.anew))

    def within(self, chain: Chain | Shared, said: Told | None) -> None:
        """How far the chain's step is, where it is a long one; it has a line where the chain has had none for a while."""
        self.chains[chain].within = said
        if said and not self._display and time.monotonic() - self.chains[chain].spoken >= LINE_SECONDS:
            self._say(chain, self.chains[chain].long_line(said))

    def ended(self, chain: Chain | Shared, failed: bool) -> None:
        """A chain has come to its end, well or not."""
        self.chains[chain].state, self.chains[chain].within = FAILED if failed else COMPLETE, None

    def _say(self, chain: Chain | Shared, line: str) -> None:
        self.chains[chain].spoken = time.monotonic()
        say(line)

    def _live(self) -> Live:
        """Lines on the terminal that change in place, redrawn by a thread of their own."""
        return Live(
            console=(console := Console(stderr=True)),
            get_renderable=lambda: self.table(console.width),
            refresh_per_second=1 / REFRESH_SECONDS,
            vertical_overflow="ellipsis",
        )

    def table(self, width: int) -> Table:
        """A line a chain; those at work first, since a terminal may have too few lines, and columns, for all."""
        order = {WAITING: 1, COMPLETE: 2}
        rows = [chain.cells() for chain in sorted(self.chains.values(), key=lambda each: order.get(each.state, 0))]
        lasting = any(row[WITHIN] for row in rows)
        heads = HEADS | {WITHIN: len(WITHIN)} if lasting else HEADS
        widths = {head: max([least, *(len(row[head]) for row in rows)]) for head, least in heads.items()}
        for head in SPARED_WITHIN if lasting else SPARED:
            if sum(widths.values()) + GAP * len(widths) > width:
                del widths[head]
        columns = (Column(head, no_wrap=True, min_width=width) for head, width in widths.items())
        table = Table(*columns, box=None, padding=(0, GAP, 0, 0))
        for row in rows:
            table.add_row(*(row[head] for head in widths))
        return table


class Above(logging.Handler):
    """Prints warnings above the display, which would otherwise tear it or vanish under it."""

    def __init__(self, display: Live) -> None:
        super().__init__()
        self._console = display.console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning's text."""
        self._console.print(record.getMessage(), markup=False, highlight=False)


def _fits() -> bool:
    """Whether stderr is a terminal that can show lines that change, and nothing else would tear them."""
    plain = QUIET in os.environ or PLAIN in os.environ
    return sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal and not plain


def say(line: str) -> None:
    """Print a line of progress at once, unless SELF_CONSUMING_QUIET (`--quiet`) is set."""
    if QUIET not in os.environ:
        print(line, file=sys.stderr, flush=True)

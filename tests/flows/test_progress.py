"""What a terminal shows of a run."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from conftest import Project
from rich.console import Console

from flows.watching.announcements import Announcement
from flows.watching.progress import QUIET, Progress
from pipeline.experiment.chains import Chain
from pipeline.storage.within import Told

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(copy: Project, *arguments: str) -> str:
    """What `python -m ARGUMENTS` writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=copy.folder,
        env=copy.environment | {"TERM": "xterm", "COLUMNS": "100"},
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the last writer has closed it
        pass
    assert process.wait() == 0, shown.decode()
    return shown.decode()


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (120, "chain generation step FID generation_1 left"),
        (80, "chain generation FID generation_1 left"),
        (70, "chain generation FID left"),
        (52, "chain generation FID"),
        (40, "chain generation"),
    ],
)
def test_a_narrow_terminal_has_whole_names_in_a_line_a_chain_and_fewer_columns(width, heads):
    chains = [Chain("accumulate-subsample", seed) for seed in (0, 1)]
    progress = Progress({chain: 100 for chain in chains})
    progress.reached(chains[0], Announcement(1, 1.0), 0.0123456)
    progress.begins(chains[0], Announcement(2, 1.0, "guided sample"))
    with (console := Console(width=width)).capture() as shown:
        console.print(progress.table(width))
    first, *lines = shown.get().rstrip("\n").split("\n")
    assert first.replace("generation 1", "generation_1").split() == heads.split()
    assert [line.split()[:2] for line in lines] == [[str(chains[0]), "2/100"], [str(chains[1]), "0/100"]]


LASTING = Told(2, "guided sample", 250, 1000, 12.0, 50.0, None, 1, "here")


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (140, "chain generation step FID generation_1 left within_the_step"),
        (100, "chain generation step FID left within_the_step"),
        (80, "chain generation step left within_the_step"),
        (70, "chain generation within_the_step"),
    ],
)
def test_while_a_long_step_lasts_the_terminal_shows_how_far_it_is_before_what_is_known_of_earlier_ones(width, heads):
    chain = Chain("accumulate-subsample", 0)
    progress = Progress({chain: 100})
    progress.reached(chain, Announcement(1, 1.0), 0.0123456)
    progress.begins(chain, Announcement(2, 1.0, "guided sample"))

    def shown() -> str:
        with (console := Console(width=width)).capture() as taken:
            console.print(progress.table(width))
        return taken.get()

    progress.within(chain, LASTING)
    first, row = (
        shown().replace("generation 1", "generation_1").replace("within the step", "within_the_step").rstrip("\n").split("\n")
    )
    assert first.split() == heads.split()
    assert row.rstrip().endswith("25% 50/s 0:15")
    progress.begins(chain, Announcement(2, 1.0, "judge"))
    assert "within the step" not in shown()


def test_without_a_terminal_a_long_step_has_a_line_now_and_then_and_none_where_it_is_to_be_quiet(monkeypatch, capfd):
    chain, now = Chain("sims", 0), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress({chain: 2})
    for now[0] in range(70):
        progress.within(chain, LASTING)
    said = capfd.readouterr().err.splitlines()
    assert said == ["sims/seed0           making 2/2  guided sample 25%: 250 of 1,000 images, 50 images/s, left 0:15"] * 2
    monkeypatch.setenv(QUIET, "1")
    now[0] = 200.0
    progress.within(chain, LASTING)
    assert not capfd.readouterr().err


def test_a_terminal_shows_a_line_a_chain_that_changes_in_place(project: Callable[..., Project]) -> None:
    slow = project(edit=lambda text: text.replace("steps: 100", "steps: 5000"))  # its display changes every half a second
    shown = on_a_terminal(slow, "flows.cli", "run", "--arm", "sims", "--generations", "1")
    text = CODES.sub("", shown)
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.replace("\r", "\n").split("\n")]
    chain = [line for line in lines if line[0] == "sims/seed0"]
    assert ["chain", "generation", "step", "FID", "generation 1", "left"] in lines
    assert ["1/1", "fine-tune"] in [line[1:3] for line in chain]
    assert chain[-1][1:3] == ["1/1", "complete"]
    assert len(chain[-1]) == 5
    assert "/s]" not in shown  # no bars of DVC's among them
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")

"""What a terminal shows of a run."""

import os
import pty
import re
import subprocess
import sys

from conftest import Project

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


def test_a_terminal_shows_a_line_a_chain_that_changes_in_place(finished_copy: Project) -> None:
    shown = on_a_terminal(finished_copy, "flows.cli", "run", "--arm", "sims", "--generations", "4")
    text = CODES.sub("", shown)
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.replace("\r", "\n").split("\n")]
    chain = [line for line in lines if line[0] == "sims/seed0"]
    assert ["chain", "generation", "step", "FID", "generation 1", "left"] in lines
    assert {"train", "sample", "fine-tune", "guided sample", "evaluate"} & {line[2] for line in chain}
    assert chain[-1][1:3] == ["4/4", "complete"]
    assert len(chain[-1]) == 5
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")

"""Who is at work now: runs, commands of a `dvc repro`, and studies. Without Prefect, whose import takes seconds."""

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from pipeline.experiment.chains import Chain
from pipeline.storage.layout import OWNER, RUNNER, STUDY_FOLDER, Layout
from pipeline.storage.ownership import owner

NOBODY = "no run is under way"
NAMED = 4
"""Chains that are named in a line; more are counted."""


def under_way(layout: Layout, chains: Iterable[Chain]) -> list[str]:
    """A line for each process that works on the experiment or on a study: what it makes, whose it is, and since when.

    One line that says so where no process works on the experiment.
    """
    runs, commands = dict[int, list[str]](), dict[int, list[str]]()
    for chain in chains:
        folder = layout.chain(chain)
        if (run := owner(folder, RUNNER)) is not None:
            runs.setdefault(run, []).append(str(chain))
        elif (command := owner(folder)) is not None:
            commands.setdefault(command, []).append(str(chain))
    if (command := owner(layout.runs)) is not None and command not in runs:
        commands.setdefault(command, []).append("what all chains share")
    lines = [f"a run of {_several(made)} is under way: {_who(process)}" for process, made in runs.items()]
    lines += [f"{_several(made)}: being made outside a run, by {_who(process)}" for process, made in commands.items()]
    studies = {path.parent.name: owner(path.parent) for path in sorted(STUDY_FOLDER.glob(f"*/{OWNER}"))}
    working = [f"study {name} is under way: {_who(process)}" for name, process in studies.items() if process is not None]
    return (lines or [NOBODY]) + working


def _several(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} chains"


def _who(process: int) -> str:
    """As in "process 1234 of ada, since 2026-01-31 13:05 (0:12:33)"; what the system does not tell is left out."""
    text = f"process {process}"
    with suppress(psutil.Error, KeyError):
        found = psutil.Process(process)
        began = found.create_time()
        text += f" of {found.username()}"
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
        return f"{text}, since {since} ({_lasted(time.time() - began)})"
    return text


def _lasted(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

"""The end of processes."""

import signal
import subprocess
import sys
import time

import pytest

DEAF = """
import time
from flows.processes import stop_by_signals
stop_by_signals()
while True:
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


BLOCKED = """
import sqlite3, sys
from flows.processes import stop_by_signals
stop_by_signals()
with sqlite3.connect(sys.argv[1], timeout=30) as other, sqlite3.connect(sys.argv[1], timeout=30) as mine:
    other.execute("begin exclusive")
    print("ready", flush=True)
    mine.execute("begin exclusive")
"""
"""Waits for a database's lock in compiled code, where no exception reaches it."""


@pytest.mark.parametrize(("program", "signals", "seconds"), [(DEAF, 1, 4.5), (DEAF, 2, 1.0), (BLOCKED, 1, 4.5)])
def test_a_process_that_swallows_its_interrupt_ends_all_the_same_and_at_once_by_a_second(tmp_path, program, signals, seconds):
    command = [sys.executable, "-c", program, str(tmp_path / "database")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1)  # by then it waits
    began = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - began < seconds
    assert process.returncode == 130
    assert said == "stopped: the same command goes on from the last finished generation\n"


ORDERLY = """
import sys, time
from flows.processes import stop_by_signals
from pipeline.experiment.errors import exit_code
stop_by_signals()
sys.exit(exit_code(lambda: print("ready", flush=True) or time.sleep(1)))
"""


@pytest.mark.parametrize(("shell", "code"), [("exec env --default-signal=HUP", 130), ("trap '' HUP; exec", 0)])
def test_a_closed_terminal_stops_a_run_but_one_under_nohup(shell, code):
    command = ["bash", "-c", f'{shell} "$0" -c "$1"', sys.executable, ORDERLY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert ("the same command goes on" in said) == bool(code)

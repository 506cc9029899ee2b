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


@pytest.mark.parametrize(("signals", "seconds"), [(1, 4.5), (2, 1.0)])
def test_a_process_that_swallows_its_interrupt_ends_all_the_same_and_at_once_by_a_second(signals, seconds):
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - began < seconds
    assert process.returncode == 130
    assert said == "stopped: the same command goes on from the last finished generation\n"

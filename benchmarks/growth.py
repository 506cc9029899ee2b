"""What a generation costs, in time and memory, against its index.

    python benchmarks/growth.py [--preset smoke] [--generations 300]

One chain (arm `standard`) is run. Time of a generation: from its first step to the next one's, commits included. Memory: of the
command and all of its processes, shared pages counted once (PSS), while the generation was the last one. Then a
`run` that has 200 generations to judge anew, because FID extrapolated to infinitely many samples has been switched on or off.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from comparison import Table, arguments
from projects import copy, edit, timed

from pipeline.experiment.params import load

WINDOW = 10
"""Generations around the tenth, and the last ones, whose medians are compared."""


def memory(process: psutil.Process) -> float:
    """MiB of a process and its children."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def watched(folder: Path, command: list[str]) -> dict[int, float]:
    """The memory of a run, by the number of generations that were done."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    seen, found = 0, dict[int, float]()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        seen = len(list(folder.glob("runs/*/standard/seed*/g*/metrics.json")))
        found[seen] = memory(psutil.Process(process.pid))
        time.sleep(0.5)
    if process.returncode:
        sys.exit(f"the run ended with {process.returncode}")
    return found


def costs(folder: Path) -> dict[int, float]:
    """Seconds of every generation but the last."""
    (file,) = folder.glob("runs/*/standard/seed*/timings.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    began = dict[int, float]()
    for row in rows:
        if row["step"] != "track" and "generation" in row:
            began.setdefault(row["generation"], row["began"])
    return {t: began[t + 1] - began[t] for t in sorted(began) if t + 1 in began}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--generations", type=int, default=300)
    given = parser.parse_args()
    table, n = Table("growth"), given.generations
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy(Path(temporary) / "project", given.preset, generations=n)
        run = [sys.executable, "-m", "flows.cli", "run"]
        used = watched(folder, [*run, "--arm", "standard"])
        taken = costs(folder)
        early, late = (range(5, 5 + WINDOW), range(n - WINDOW, n + 1))
        for what, values, unit, target in (("time", taken, "s", 1.05), ("memory", used, "MiB", 1.1)):
            first, last = ([values[t] for t in window if t in values] for window in (early, late))
            if not first or not last:
                table.skip(f"{what} of a generation", "too short a run")
                continue
            a, b = statistics.median(first), statistics.median(last)
            name = f"{what} of generation {n} over generation 10"
            curve = {str(t): round(values[t], 3) for t in list(values)[:: max(1, len(values) // 30)]}
            table.say(name, f"{b / a:.2f} times", f"{a:.3g} to {b:.3g} {unit}", b / a, target, "<=", seconds=curve)
        edit(folder, evaluation={"fid_infinity": not load(folder / "params.yaml").evaluation.fid_infinity})
        again = min(n, 200)
        seconds = timed([*run, "--arm", "standard", "--generations", str(again)], folder)
        table.say(f"re-judging {again} generations", f"{seconds:.1f} s", f"{seconds / again:.2f} s each", seconds)
        shutil.rmtree(folder)
    table.write(given.out)


if __name__ == "__main__":
    main()

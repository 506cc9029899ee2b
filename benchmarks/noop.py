"""What it takes to learn that there is nothing to do, in an experiment of 100 generations and two arms.

    python benchmarks/noop.py [--preset smoke] [--generations 100]

The experiment is made first. Each command is then given several times; median and spread are printed.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from comparison import Table, arguments, spread
from projects import copy, timed

TARGETS = {"self-consuming --help": 0.5, "self-consuming status": 2.0}
COMMANDS = {
    "self-consuming --help": ["-m", "flows.cli", "--help"],
    "self-consuming status": ["-m", "flows.cli", "status"],
    "self-consuming run": ["-m", "flows.cli", "run"],
    "dvc repro": ["-m", "dvc", "repro"],
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--generations", type=int, default=100, help="so many in every chain")
    parser.add_argument("--times", type=int, default=3, help="how often each command is given")
    given = parser.parse_args()
    table = Table("noop")
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy(Path(temporary) / "project", given.preset, generations=given.generations)
        print(f"made in {timed([sys.executable, '-m', 'flows.cli', 'run'], folder):.1f} s", flush=True)
        made = {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/*.npy")}
        for name, command in COMMANDS.items():
            seconds = [timed([sys.executable, *command], folder) for _ in range(given.times)]
            middle = statistics.median(seconds)
            table.say(name, f"{middle:.2f} s", "", middle, TARGETS.get(name), "<=", spread(seconds))
        if {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/*.npy")} != made:
            sys.exit("something was made anew")
    table.write(given.out)


if __name__ == "__main__":
    main()

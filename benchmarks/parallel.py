"""How much faster chains are made two at a time than one at a time: the same six chains, once with each number of workers.

    python benchmarks/parallel.py [--preset smoke] [--generations 40]

Throughput is generations a second from the first step of the first chain to the end of the last one. The bare script of
`orchestration.py` is measured beside it: two processes share caches and memory, and six chains of two kinds do not fill two
cores to the last second, so it does not reach twice the throughput either. All runs must give the same bytes. Run it on an
otherwise idle machine.
"""

import sys
import tempfile
from pathlib import Path

import orchestration
from comparison import Table, arguments
from projects import copy, outputs, timed, timings

COMMANDS = {"bare script": [orchestration.__file__, "--bare"], "self-consuming run": ["-m", "flows.cli", "run"]}


def throughput(folder: Path) -> float:
    """How many generations a second were made."""
    steps = [row for rows in timings(folder) for row in rows if row["step"] != "track"]
    seconds = max(row["began"] + row["seconds"] for row in steps) - min(row["began"] for row in steps)
    return sum(row["step"] == "judge" for row in steps) / seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--generations", type=int, default=40, help="so many in every chain")
    given = parser.parse_args()
    table, made = Table("parallel"), list[dict[str, str]]()
    with tempfile.TemporaryDirectory() as temporary:
        for name, command in COMMANDS.items():
            rates = list[float]()
            for workers in (1, 2):
                engine = {"workers": workers}
                folder = copy(
                    Path(temporary) / f"{len(made)}",
                    given.preset,
                    generations=given.generations,
                    seeds=[0, 1, 2],
                    engine=engine,
                )
                wall = timed([sys.executable, *command], folder)
                rates.append(throughput(folder))
                made.append(outputs(folder))
                table.say(
                    f"{name}, {workers} at a time", f"{rates[-1]:.2f} a second", f"generations; {wall:.1f} s in all", rates[-1]
                )
            ratio, target = rates[1] / rates[0], 1.7 if command == COMMANDS["self-consuming run"] else None
            table.say(f"{name}, two at a time over one", f"{ratio:.2f} times", "", ratio, target)
    table.write(given.out)
    if any(each != made[0] for each in made):
        sys.exit("the outputs differ")


if __name__ == "__main__":
    main()

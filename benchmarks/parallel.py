"""How much faster chains are made two at a time than one at a time: the same six chains, once with each number of workers.

    python benchmarks/parallel.py [--preset smoke] [--generations 40]

Throughput is generations a second from the first step of the first chain to the end of the last one. Both runs must give the
same bytes. Run it on an otherwise idle machine.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from orchestration import copy, outputs, shorten, timed, timings


def throughput(folder: Path) -> tuple[int, float]:
    """The number of generations, and how many a second were made."""
    steps = [row for rows in timings(folder) for row in rows if row["step"] != "track"]
    seconds = max(row["began"] + row["seconds"] for row in steps) - min(row["began"] for row in steps)
    count = sum(row["step"] == "commit" for row in steps)
    return count, count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--generations", type=int, default=40, help="so many in every chain")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rates, folders = [], []
        for workers in (1, 2):
            folder = copy(Path(temporary) / str(workers), given.preset)
            params = folder / "params.yaml"
            shorten(params, given.generations)
            text = re.sub(r"seeds: \[.*?\]", "seeds: [0, 1, 2]", params.read_text())
            params.write_text(text.replace("workers: auto", f"workers: {workers}"))
            wall = timed([sys.executable, "-m", "flows.cli", "run"], folder)
            count, rate = throughput(folder)
            print(f"{workers} at a time: {count} generations, {rate:.2f} a second; the whole run {wall:.1f} s", flush=True)
            rates.append(rate)
            folders.append(folder)
        print(f"throughput {rates[1] / rates[0]:.2f} times that of one at a time")
        if outputs(folders[0]) != outputs(folders[1]):
            sys.exit("the outputs differ")


if __name__ == "__main__":
    main()

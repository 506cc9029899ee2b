"""What orchestration costs: `self-consuming run` beside a bare script of the same steps, in two copies of the project.

    python benchmarks/orchestration.py [--preset gaussian] [--generations N]

The bare script trains, samples and judges the same generations, chains side by side in as many processes, without Prefect, DVC,
MLflow or a report. Its outputs must be the same bytes. It is run before and after, and their mean taken: machines drift by more
than what is measured. Run it on an otherwise idle one, `make bench` with 8 generations, of which the start and the end are
a larger share. Beside each time stands where it went, seen from the chain that ended last.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from comparison import Table, arguments
from projects import copy, notes, outputs, timed, timings


def bare() -> None:
    """The same steps in the current folder, and nothing else."""
    from flows.engine import cost
    from flows.processes import end_with_parent
    from pipeline.experiment.chains import lengths
    from pipeline.experiment.machine import workers
    from pipeline.experiment.params import load
    from pipeline.making.shared import make_shared
    from pipeline.making.transactions import make_base

    params = load(Path("params.yaml"))
    make_shared(params)
    for seed in params.seeds:
        make_base(params, seed)
    wanted = lengths(params)
    order = sorted(wanted, key=lambda chain: -cost(params, chain, wanted[chain]))
    with ProcessPoolExecutor(workers(params), get_context("spawn"), end_with_parent) as pool:
        for done in [pool.submit(bare_chain, chain.arm, chain.seed, wanted[chain]) for chain in order]:
            done.result()


def bare_chain(arm: str, seed: int, generations: int) -> None:
    from pipeline.experiment.chains import Chain
    from pipeline.experiment.params import load
    from pipeline.making.transactions import make_whole

    params = load(Path("params.yaml"))
    for generation in range(1, generations + 1):
        make_whole(params, Chain(arm, seed), generation)


def last_chain(folder: Path) -> tuple[float, float, float]:
    """Of the chain that ended last: when it began and ended, in seconds since the epoch, and the seconds of its steps."""
    chains = [[row for row in rows if row["step"] != "track"] for rows in timings(folder)]
    last = max(chains, key=lambda rows: rows[-1]["began"])
    return last[0]["began"], last[-1]["began"] + last[-1]["seconds"], sum(row["seconds"] for row in last)


def parts(folder: Path, began: float, ended: float) -> str:
    """Where the time went, seen from the chain that ended last."""
    first, end, steps = last_chain(folder)
    spans = {"before": first - began, "in": steps, "between": end - first - steps, "after": ended - end}
    return ", ".join(f"{seconds:.1f} s {where}" for where, seconds in spans.items()) + " its steps"


def tracking(folder: Path) -> tuple[float, float, float]:
    """Processor time of MLflow and of artifacts in Prefect, until the last chain ended and afterwards; what all chains took."""
    _, end, _ = last_chain(folder)
    rows = [row for row in notes(folder) if row["step"] == "track"]
    after = sum(row["seconds"] for row in rows if row["began"] >= end)
    steps = sum(row["seconds"] for rows in timings(folder) for row in rows if row["step"] != "track")
    return sum(row["seconds"] for row in rows) - after, after, steps


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", default="gaussian")
    parser.add_argument("--generations", type=int, help="so many in every chain")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare()
        return
    table, seconds = Table("orchestration"), dict[str, float]()
    commands = {"before": [__file__, "--bare"], "whole": ["-m", "flows.cli", "run"], "after": [__file__, "--bare"]}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: copy(Path(temporary) / name, given.preset, generations=given.generations) for name in commands}
        for name, command in commands.items():
            began = time.time()
            seconds[name] = timed([sys.executable, *command], folders[name])
            what = "self-consuming run" if name == "whole" else f"bare script, {name}"
            table.say(what, f"{seconds[name]:.1f} s", parts(folders[name], began, time.time()), seconds[name])
        full, bare_mean = seconds["whole"], (seconds["before"] + seconds["after"]) / 2
        share = (full - bare_mean) / full
        table.say("orchestration's share of the run", f"{share:.1%}", f"{full - bare_mean:.1f} s", share, 0.03, "<=", seconds)
        beside, afterwards, steps = tracking(folders["whole"])
        table.say(
            "MLflow, artifacts, after the last chain", f"{afterwards:.1f} s", f"{afterwards / full:.1%} of the run", afterwards
        )
        shares = f"processor time, {beside / full:.1%} of a core's, {beside / steps:.1%} of what the steps of all chains took"
        table.say("MLflow, artifacts, beside the chains", f"{beside:.1f} s", shares, beside)
        first, *others = (outputs(folder) for folder in folders.values())
    table.write(given.out)
    if any(each != first for each in others):
        sys.exit("the outputs differ")


if __name__ == "__main__":
    main()

"""What orchestration costs: `self-consuming run` beside a bare script of the same steps, in two copies of the project.

    python benchmarks/orchestration.py [--preset gaussian] [--generations N]

The bare script trains, samples and judges the same generations, chains side by side in as many processes, without Prefect, DVC,
MLflow or a report. Its outputs must be the same bytes. It is run before and after, and their mean taken: machines drift by more
than what is measured. Run it on an otherwise idle one. Beside each time stands where it went, seen from the chain that
ended last.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARTS = ".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "prefect.toml", "models", "pipeline", "flows", "presets"


def copy(folder: Path, preset: str) -> Path:
    for part in PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, target)
    shutil.copy(ROOT / "presets" / f"{preset}.yaml", folder / "params.yaml")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


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


def shorten(params: Path, generations: int) -> None:
    params.write_text(re.sub(r"generations: \d+", f"generations: {generations}", params.read_text()))


def timed(command: list[str], folder: Path) -> float:
    environment = os.environ | {"PYTHONPATH": str(folder), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def timings(folder: Path) -> list[list[dict[str, Any]]]:
    """What each chain has noted."""
    files = folder.glob("runs/*/*/seed*/timings.jsonl")
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def notes(folder: Path) -> list[dict[str, Any]]:
    """What has been noted at all, the experiment's own beside the chains'."""
    return [json.loads(line) for file in (folder / "runs").rglob("timings.jsonl") for line in file.read_text().splitlines()]


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


def outputs(folder: Path) -> dict[str, str]:
    files = sorted((folder / "runs").glob("*/*/seed*/g*/synthetic.npy"))
    return {str(file.relative_to(folder)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="gaussian")
    parser.add_argument("--generations", type=int, help="so many in every chain")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare()
        return
    with tempfile.TemporaryDirectory() as temporary:
        before, whole, after = (copy(Path(temporary) / name, given.preset) for name in ("before", "whole", "after"))
        seconds = {}
        for folder, command in (
            (before, [__file__, "--bare"]),
            (whole, ["-m", "flows.cli", "run"]),
            (after, [__file__, "--bare"]),
        ):
            if given.generations:
                shorten(folder / "params.yaml", given.generations)
            began = time.time()
            seconds[folder] = timed([sys.executable, *command], folder)
            name = "self-consuming run" if folder == whole else "bare script"
            print(f"{name:<24} {seconds[folder]:8.1f} s: {parts(folder, began, time.time())}", flush=True)
        full, bare_mean = seconds[whole], (seconds[before] + seconds[after]) / 2
        print(f"{'orchestration':<24} {full - bare_mean:8.1f} s, {(full - bare_mean) / full:.1%} of the run")
        beside, afterwards, steps = tracking(whole)
        print(f"{'of it MLflow, artifacts':<24} {afterwards:8.1f} s, {afterwards / full:.1%} of the run, after the last chain")
        shares = f"{beside / full:.1%} of a core's, {beside / steps:.1%} of what the steps of all chains took"
        print(f"{'beside the chains':<24} {beside:8.1f} s of processor time, {shares}")
        if not outputs(before) == outputs(whole) == outputs(after):
            sys.exit("the outputs differ")


if __name__ == "__main__":
    main()

"""What orchestration costs: `self-consuming run` beside a bare script of the same steps, in two copies of the project.

    python benchmarks/orchestration.py [--preset gaussian] [--generations N]

The bare script trains, samples and judges the same generations, chains side by side in as many processes, without Prefect, DVC,
MLflow or a report. Its outputs must be the same bytes. Run it on an otherwise idle machine.
"""

import argparse
import hashlib
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
    from pipeline.chains import lengths
    from pipeline.generation import make_base, make_data
    from pipeline.machine import workers
    from pipeline.params import load

    params = load(Path("params.yaml"))
    make_data(params)
    for seed in params.seeds:
        make_base(params, seed)
    wanted = lengths(params)
    order = sorted(wanted, key=lambda chain: -cost(params, chain, wanted[chain]))
    with ProcessPoolExecutor(workers(params), mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(bare_chain, chain.arm, chain.seed, wanted[chain]) for chain in order]:
            done.result()


def bare_chain(arm: str, seed: int, generations: int) -> None:
    from pipeline.chains import Chain
    from pipeline.generation import make_generation
    from pipeline.params import load

    params = load(Path("params.yaml"))
    for generation in range(1, generations + 1):
        make_generation(params, Chain(arm, seed), generation)


def shorten(params: Path, generations: int) -> None:
    params.write_text(re.sub(r"generations: \d+", f"generations: {generations}", params.read_text()))


def timed(command: list[str], folder: Path) -> float:
    environment = os.environ | {"PYTHONPATH": str(folder), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


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
        alone, whole = (copy(Path(temporary) / name, given.preset) for name in ("bare", "whole"))
        if given.generations:
            for folder in (alone, whole):
                shorten(folder / "params.yaml", given.generations)
        without = timed([sys.executable, __file__, "--bare"], alone)
        print(f"bare script              {without:8.1f} s", flush=True)
        full = timed([sys.executable, "-m", "flows.cli", "run"], whole)
        print(f"self-consuming run       {full:8.1f} s")
        print(f"orchestration            {full - without:8.1f} s, {(full - without) / full:.1%} of the run")
        if outputs(alone) != outputs(whole):
            sys.exit("the outputs differ")


if __name__ == "__main__":
    main()

"""Judging: Frechet distance, kernel distance, precision and recall beside clean-fid, torch-fidelity and prdc.

    python benchmarks/judging.py [--dimensions 2048]

A side that is not installed is skipped: pip install clean-fid==0.1.35 prdc==0.2 "torch-fidelity>=0.4,<0.5"
has all. Features are made up.
Extraction is `python benchmarks/inception_parity.py`, which needs weights. Kernel distances are compared at equal
subset counts and sizes: their subsets are random, so that values agree as far as subsets do.
"""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from comparison import HOME, Table, arguments, in_turn

from pipeline.distance.frechet import frechet, moments
from pipeline.metrics.kid import SUBSET, SUBSETS, kid
from pipeline.metrics.prdc import NEIGHBOURS, prdc

POINTS, FEATURES = 10_000, 64


def made_up(n: int, d: int, seed: int, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.linspace(0.5, 1.5, d) * scale).astype(np.float32)


def of_frechet(table: Table, dimensions: int) -> None:
    a, b = (moments(made_up(3 * dimensions, dimensions, seed, 1 + seed / 10)) for seed in (0, 1))
    what = f"Frechet distance, {dimensions}-d"
    value = frechet(*a, *b)
    if find_spec("cleanfid"):
        from cleanfid.fid import frechet_distance

        sides = {"ours": lambda: frechet(*a, *b), "clean-fid": lambda: frechet_distance(*a, *b)}
        table.compare(f"{what}, clean-fid", in_turn(sides, 3, 40), 5, apart=abs(float(frechet_distance(*a, *b)) / value - 1))
    else:
        table.skip(f"{what}, clean-fid", "not installed")
    if find_spec("torch_fidelity"):
        from torch_fidelity.metric_fid import fid_statistics_to_metric

        one, two = ({"mu": mean, "sigma": covariance} for mean, covariance in (a, b))

        def theirs() -> float:
            return float(fid_statistics_to_metric(one, two, False)["frechet_inception_distance"])

        seconds = in_turn({"ours": lambda: frechet(*a, *b), "torch-fidelity": theirs}, 2, 20)
        table.compare(f"{what}, torch-fidelity", seconds, apart=abs(theirs() / value - 1))
    else:
        table.skip(f"{what}, torch-fidelity", "not installed")


def of_kid(table: Table) -> None:
    a, b = made_up(5000, 2048, 0), made_up(5000, 2048, 1, 1.1)
    ours = kid(a, b, 0)
    if find_spec("cleanfid"):
        from cleanfid.fid import kernel_distance

        sides = {"ours": lambda: kid(a, b, 0), "clean-fid": lambda: kernel_distance(a, b, SUBSETS, SUBSET)}
        table.compare(
            "KID, 2048-d, clean-fid", in_turn(sides, 5, 20), values=(ours, float(kernel_distance(a, b, SUBSETS, SUBSET)))
        )
    if find_spec("torch_fidelity"):
        from torch_fidelity.metric_kid import kid_features_to_metric

        x, y, given = (
            torch.from_numpy(a),
            torch.from_numpy(b),
            {"kid_subsets": SUBSETS, "kid_subset_size": SUBSET, "verbose": False},
        )
        other = kid_features_to_metric(x, y, **given)["kernel_inception_distance_mean"]
        sides = {"ours": lambda: kid(a, b, 0), "torch-fidelity": lambda: kid_features_to_metric(x, y, **given)}
        table.compare("KID, 2048-d, torch-fidelity", in_turn(sides, 5, 20), values=(ours, other))


def neighbours(side: str) -> dict[str, float]:
    fake, real = made_up(POINTS, FEATURES, 0), made_up(POINTS, FEATURES, 1)
    if side == "ours":
        return prdc(fake, real)
    from prdc import compute_prdc

    with redirect_stdout(io.StringIO()):  # it says how many there are
        return {name: float(value) for name, value in compute_prdc(real, fake, NEIGHBOURS).items()}


def peak() -> float:
    """GiB that this process has had at most. `ru_maxrss` would count what the process had that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def memory(side: str) -> float:
    """GiB at most of a process that does it, over one that only has the data."""
    code = f"import judging; before = judging.peak(); judging.neighbours({side!r}); print(judging.peak() - before)"
    paths = os.pathsep.join([str(HOME / "benchmarks"), str(HOME)])
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    return float(found.stdout.split()[-1])


def of_neighbours(table: Table) -> None:
    what = f"precision and recall, {POINTS} x {FEATURES}-d"
    if not find_spec("prdc"):
        table.skip(f"{what}, prdc", "not installed")
        return
    found = dict[str, dict[str, float]]()

    def kept(side: str) -> None:
        found[side] = neighbours(side)

    seconds = in_turn({"ours": lambda: kept("ours"), "prdc": lambda: kept("prdc")}, 3, 30)
    ours, other = found["ours"], found["prdc"]
    table.compare(f"{what}, prdc", seconds, 2, apart=max(abs(ours[name] - other[name]) for name in ours))
    gib = memory("ours")
    table.say(f"{what}: memory", f"{gib:.2f} GiB", f"prdc {memory('prdc'):.2f} GiB", gib)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--dimensions", type=int, default=2048)
    given = parser.parse_args()
    table = Table("judging")
    of_neighbours(table)
    of_kid(table)
    of_frechet(table, given.dimensions)
    table.write(given.out)


if __name__ == "__main__":
    main()

"""Made-up curves of the gaussian preset's arms, whose answers are known."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.experiment.params import Params, load

ROOT = Path(__file__).resolve().parents[1]
GENERATIONS = np.arange(1, 41)
FLAT, RISING = np.full(40, 0.02), 0.02 * 1.1 ** (GENERATIONS - 1)
NO_STEPS = pd.DataFrame(columns=["chain", "step", "generation", "seconds", "began", "pid"])


def gaussian() -> Params:
    """The preset."""
    return load(ROOT / "presets/gaussian.yaml")


def table(**arms: list[np.ndarray]) -> pd.DataFrame:
    """The results of arms, each a list of curves, one a seed."""
    rows = [
        {"arm": arm, "seed": seed, "generation": t, "fid": fid, "images_seen": 200 if arm == "sims" else 100}
        | {"nfe": 70 if arm == "sims" else 35}
        for arm, curves in arms.items()
        for seed, curve in enumerate(curves)
        for t, fid in enumerate(curve, start=1)
    ]
    return pd.DataFrame(rows)

"""What things are called in MLflow: metrics in groups, so that its page shows FID first, and runs by what differs."""

from collections.abc import Mapping
from typing import Any

GROUPS = {
    "quality": (
        "fid_base",
        "fid_infinity",
        "class_fid",
        "kid",
        "precision",
        "density",
        "sliced_wasserstein",
        "mean_error",
        "covariance_error",
        "nearest_training_distance",
        "memorised",
    ),
    "diversity": (
        "recall",
        "coverage",
        "trace",
        "trace_ratio",
        "mode_shares",
        "modes_lost",
        "class_shares",
        "class_entropy",
    ),
}
"""Those that are not named here are of the user's own: `own`."""
CONSTANT = "nfe", "images_seen", "guidance"
"""Never change in a chain, unless it chooses its guidance in every generation."""
MOST_DIFFERENCES = 3


def grouped(metric: str) -> str:
    """A metric's name in MLflow: FID as it is, others below the name of their group."""
    if metric == "fid":
        return metric
    if metric in CONSTANT:
        return f"cost/{metric}"
    first = metric.partition(".")[0]
    group = next((group for group, names in GROUPS.items() if first in names), "own")
    return f"{group}/{metric}"


def changing(numbers: Mapping[str, float], chooses: bool) -> dict[str, float]:
    """The numbers of a generation that are metrics, by their names in MLflow: neither counts nor what is the same in all."""
    constant = ("generation", *(() if chooses else CONSTANT))
    return {grouped(key): value for key, value in numbers.items() if key not in constant and not key.startswith("n_")}


def constants(numbers: Mapping[str, float], chooses: bool) -> dict[str, str]:
    """The others, as tags."""
    same = () if chooses else CONSTANT
    return {key: f"{value:g}" for key, value in numbers.items() if key.startswith("n_") or key in same}


def told_apart(facts: Mapping[str, Any], former: Mapping[str, Any], name: str) -> str:
    """A run's name: the experiment's for the first one, else what differs from that, as in `arms.sims.guidance=0.5`."""
    keys = [key for key in {**former, **facts} if str(facts.get(key)) != str(former.get(key))]
    if not former or not keys:
        return name
    shown = [f"{key}={facts.get(key, 'left out')}" for key in keys[:MOST_DIFFERENCES]]
    return ", ".join([*shown, *([f"and {len(keys) - len(shown)} more"] if len(keys) > len(shown) else [])])

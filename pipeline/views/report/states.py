"""How far every chain is: complete, being made, or stopped before its end."""

from typing import Any

import pandas as pd

from pipeline.experiment.chains import Chain, lengths
from pipeline.experiment.params import Params
from pipeline.making.failures import failure
from pipeline.storage.layout import RUNNER, Layout
from pipeline.storage.ownership import owner


def progress(params: Params, results: pd.DataFrame, longer: dict[Chain, int] | None = None) -> list[dict[str, Any]]:
    """A row a chain: arm, seed, expected and made generations, its state in words, and in one: running, failed, or neither."""
    made = results.groupby(["arm", "seed"]).size().to_dict()
    rows = []
    for chain, expected in lengths(params, longer).items():
        done = int(made.get((chain.arm, chain.seed), 0))
        row = {"arm": chain.arm, "seed": chain.seed, "expected": expected, "made": done, "complete": done >= expected}
        state, kind = ("complete", "") if done >= expected else _unfinished(params, chain, done)
        rows.append(row | {"state": state, "kind": kind})
    return rows


def _unfinished(params: Params, chain: Chain, done: int) -> tuple[str, str]:
    """What is going on with a chain that is not complete."""
    layout = Layout(params.experiment)
    following = layout.generation(chain, done + 1)
    if owner(layout.chain(chain)) is not None:
        return f"running, generation {done + 1}", "running"
    if (reason := failure(params, chain)) is not None:
        return f"failed: {reason}", "failed"
    if owner(layout.chain(chain), RUNNER) is not None:
        return "waiting for its turn", ""
    if following.with_name(following.name + ".partial").exists():
        return f"stopped or failed in generation {done + 1}", "failed"
    if following.exists() and any(following.glob("*.json")):
        return f"generation {done + 1} on disk is of other params or code", ""
    return (f"stopped before generation {done + 1}", "failed") if done else ("not started", "")

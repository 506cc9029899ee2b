"""How far every chain is: complete, being made, or stopped before its end."""

from typing import Any

import pandas as pd

from pipeline.chains import Chain, lengths
from pipeline.layout import RUNNER, Layout
from pipeline.ownership import owner
from pipeline.params import Params


def progress(params: Params, results: pd.DataFrame, longer: dict[Chain, int] | None = None) -> list[dict[str, Any]]:
    """A row a chain: arm, seed, expected and made generations, and its state in words."""
    made = results.groupby(["arm", "seed"]).size().to_dict()
    layout, rows = Layout(params.experiment), []
    for chain, expected in lengths(params, longer).items():
        done = int(made.get((chain.arm, chain.seed), 0))
        row = {"arm": chain.arm, "seed": chain.seed, "expected": expected, "made": done, "complete": done >= expected}
        rows.append(row | {"state": "complete" if done >= expected else _unfinished(layout, chain, done)})
    return rows


def _unfinished(layout: Layout, chain: Chain, done: int) -> str:
    """What is going on with a chain that is not complete."""
    following = layout.generation(chain, done + 1)
    if owner(layout.chain(chain)) is not None:
        return f"running, generation {done + 1}"
    if layout.failure(chain).exists():
        return f"failed: {layout.failure(chain).read_text(encoding='utf-8')}"
    if owner(layout.chain(chain), RUNNER) is not None:
        return "waiting for its turn"
    if following.with_name(following.name + ".partial").exists():
        return f"stopped or failed in generation {done + 1}"
    if following.exists() and any(following.glob("*.json")):
        return f"generation {done + 1} on disk is of other params or code"
    return f"stopped before generation {done + 1}" if done else "not begun"

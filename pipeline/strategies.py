"""The strategies: by which steps a generation is made. An arm of params.yaml selects one by `strategy`.

Adding one: list its steps here; the steps themselves are functions of a `Job`, in `pipeline.steps`. This file imports nothing
heavy, so that params can be checked at once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """Steps in order, and whether an auxiliary model guides the sampling (the arm then needs `guidance`)."""

    steps: tuple[str, ...]
    guided: bool


STRATEGIES = {
    "standard": Strategy(("train", "sample", "evaluate"), guided=False),
    "sims": Strategy(("train", "sample", "fine-tune", "guided sample", "evaluate"), guided=True),
}

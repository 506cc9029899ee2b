"""The strategies: by which steps a generation is made. An arm of params.yaml selects one by `strategy`.

Adding one: list its steps here; the steps themselves are functions of a `Job`, in `pipeline.generation.steps`. This file
imports nothing heavy, so that params can be checked at once.
"""

from dataclasses import dataclass

from pipeline.experiment.kinds import STRATEGIES


@dataclass(frozen=True)
class Strategy:
    """Steps in order, and what they need.

    Attributes:
        steps: names in `pipeline.experiment.kinds.STEPS`.
        guidance: the arm has a `guidance`, the w of its formula.
        auxiliary: a second model is fine-tuned on the base's own samples, with the budget `auxiliary`.
        guide: a second model is trained beside the base, with the arm's `guide`.
        networks: how many networks are evaluated for a sample's step.
    """

    steps: tuple[str, ...]
    guidance: bool = False
    auxiliary: bool = False
    guide: bool = False
    networks: int = 1

    @property
    def guided(self) -> bool:
        """Whether the second model is evaluated beside the base at sampling."""
        return "guided sample" in self.steps

    @property
    def second(self) -> bool:
        """Whether there is a second model beside the base, whose own samples are then judged too."""
        return self.auxiliary or self.guide


STRATEGIES["standard"] = Strategy(("train", "sample"))
STRATEGIES["sims"] = Strategy(("train", "sample", "fine-tune", "guided sample"), guidance=True, auxiliary=True, networks=2)
STRATEGIES["neon"] = Strategy(("train", "sample", "fine-tune", "merged sample"), guidance=True, auxiliary=True)
STRATEGIES["autoguidance"] = Strategy(
    ("train", "sample", "train guide", "guided sample"), guidance=True, guide=True, networks=2
)

"""The section `keep` of `params.yaml`: which networks and samples of finished generations stay on the disk."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.experiment.kinds import Section

EVERY = re.compile(r"every ([1-9][0-9]{0,2})")
FIRST, LAST, ALL, NEEDED = "first", "last", "all", "needed"


def _networks(rule: str) -> str:
    if rule not in (FIRST, LAST) and not EVERY.fullmatch(rule):
        raise ValueError(f"{rule!r} is not allowed: first, last, or every K (a number from 1 to 999)")
    return rule


def _samples(rule: str) -> str:
    if rule not in (ALL, NEEDED) and not EVERY.fullmatch(rule):
        raise ValueError(f"{rule!r} is not allowed: all, needed, or every K (a number from 1 to 999)")
    return rule


class Keep(Section):
    """What stays of finished generations; metrics, pictures, losses, recipes and locks always do.

    `networks` are those of the generations that the list names (left out: all); `samples` are all, those of every Kth, or
    those alone that are needed. Whatever the next generation reads stays until that is made.
    """

    networks: list[Annotated[str, AfterValidator(_networks)]] | None = None
    samples: Annotated[str, Field(), AfterValidator(_samples)] = ALL

    def keeps_networks(self, generation: int, last: int) -> bool:
        """Whether a generation's networks stay, where `last` is the last one that is made."""
        rules = self.networks
        return rules is None or any(
            generation == 1 if rule == FIRST else generation == last if rule == LAST else _is_due(rule, generation)
            for rule in rules
        )

    def keeps_samples(self, generation: int) -> bool:
        """Whether a generation's samples stay for their own sake."""
        return self.samples == ALL or (self.samples != NEEDED and _is_due(self.samples, generation))


def _is_due(rule: str, generation: int) -> bool:
    found = EVERY.fullmatch(rule)
    return found is not None and generation % int(found[1]) == 0

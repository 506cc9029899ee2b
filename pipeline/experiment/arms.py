"""The arms of `params.yaml`: a loop with a strategy, and what is special about it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.experiment.kinds import (
    HOOKS,
    LOOPS,
    STRATEGIES,
    Count,
    Factor,
    Plenty,
    Positive,
    Section,
    check_known,
)
from pipeline.experiment.sections import Generations, Seed


class SampleRule(Section):
    """How many samples generation t hands on: `start`, or `times_real` n_real, times factor^(t - 1), but `at_most` so many."""

    start: Count | None = None
    times_real: Positive | None = None
    factor: Positive = 1.0
    at_most: Count | None = None

    @model_validator(mode="after")
    def _has_one_start(self) -> "SampleRule":
        if (self.start is None) == (self.times_real is None):
            raise ValueError("n_synthetic needs one of start and times_real: a number, or a share of n_real")
        return self


Samples = Plenty | SampleRule
MOST_GUIDANCE = 100
"""Upper bound; anything stronger is a typo."""
Guidance = Annotated[float, Field(ge=-MOST_GUIDANCE, le=MOST_GUIDANCE)]
"""The papers' w; below 0 it draws towards the second model, as zeta < 1 wants."""
Level = Annotated[float, Field(ge=0)]


class Guide(Section):
    """The second model of an arm: trained on the same data for fewer `steps` (autoguidance's), or a `checkpoint` as it is.

    A size that is given is its network's own. That of a checkpoint is as its metadata say, where it has any; `source` says in
    words where the file comes from.
    """

    steps: Count | None = None
    checkpoint: Annotated[str, Field(min_length=1)] | None = None
    source: Annotated[str, Field(min_length=1)] | None = None
    width: Annotated[int, Field(ge=1, le=8192)] | None = None
    depth: Annotated[int, Field(ge=1, le=64)] | None = None
    channels: Annotated[int, Field(ge=1, le=8192)] | None = None
    blocks: Annotated[int, Field(ge=1, le=64)] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of its network that are its own."""
        return self.model_dump(exclude={"steps", "checkpoint", "source"}, exclude_none=True)

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Guide":
        if (self.steps is None) == (self.checkpoint is None):
            raise ValueError("needs one of steps and checkpoint: it is trained, or taken as it is")
        return self


class HookCall(Section):
    """A function on every generation's samples before they are judged and handed on: its name, and what it is told."""

    name: str
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _is_registered(self) -> "HookCall":
        check_known("hook.name", self.name, HOOKS)
        return self


class Arm(Section):
    """A loop with a strategy, and what is special about it; what is not given is as everywhere in params.yaml.

    With an `interval` the second model guides at noise levels between its ends, and is not evaluated at others.
    """

    loop: str
    strategy: str
    guidance: Literal["auto"] | Guidance | None = None
    candidates: Annotated[list[Guidance], Field(min_length=2)] | None = None
    interval: Annotated[list[Level], Field(min_length=2, max_length=2)] | None = None
    guide: Guide | None = None
    hook: HookCall | None = None
    zeta: Factor | None = None
    init: Literal["scratch", "previous", "checkpoint"] | None = None
    memory: Count | None = None
    synthetic_share: Annotated[float, Field(ge=0, le=1)] | None = None
    n_synthetic: Samples | None = None
    generations: Generations | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_registered(self) -> "Arm":
        check_known("loop", self.loop, LOOPS)
        check_known("strategy", self.strategy, STRATEGIES)
        loop, strategy = LOOPS[self.loop], STRATEGIES[self.strategy]
        for key, used, by in (
            ("guidance", strategy.guidance, f"strategy {self.strategy!r}"),
            ("synthetic_share", loop.share, f"loop {self.loop!r}"),
        ):
            if used and getattr(self, key) is None:
                raise ValueError(f"{key} is missing: {by} needs it")
            if not used and getattr(self, key) is not None:
                raise ValueError(f"{key} {_plain(getattr(self, key))} is not allowed: {by} has none")
        self._check_guide()
        if self.candidates is not None and self.guidance != "auto":
            raise ValueError(f"candidates {self.candidates} is not allowed: they are for guidance auto")
        if self.memory is not None and loop.memory is None:
            raise ValueError(f"memory {self.memory} is not allowed: loop {self.loop!r} remembers all generations")
        return self

    def _check_guide(self) -> None:
        strategy, guide = STRATEGIES[self.strategy], self.guide
        if guide is None and strategy.guide:
            raise ValueError(f"guide is missing: strategy {self.strategy!r} needs it")
        if guide is not None and not strategy.guide and not (strategy.guided and guide.checkpoint):
            only = "has none but a checkpoint" if strategy.guided else "has none"
            raise ValueError(f"guide {_plain(guide)} is not allowed: strategy {self.strategy!r} {only}")
        if self.interval is None:
            return
        if not strategy.guided:
            raise ValueError(f"interval {self.interval} is not allowed: strategy {self.strategy!r} has no guide at sampling")
        if self.interval[0] >= self.interval[1]:
            raise ValueError(f"interval {self.interval} is not allowed: the first noise level must be below the second")

    @property
    def fine_tunes(self) -> bool:
        """Whether a second model is fine-tuned on the base's samples; a checkpoint in its place is not."""
        return STRATEGIES[self.strategy].auxiliary and self.guide is None


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True) if isinstance(value, Section) else value

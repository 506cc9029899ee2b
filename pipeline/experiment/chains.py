"""Chains: one arm with one seed. Which there are, and what in params.yaml decides their numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import LOOPS
from pipeline.experiment.params import Params

READ = ("data", "n_synthetic", "network", "noise", "sampler", "evaluation.n", "engine.threads")
"""The params that every generation reads; those of its trainings and the arm's own come on top."""
READ_IF_GIVEN = ("base", "labels", "engine.precision", "engine.compile")
"""And those that it may leave out."""
READ_TO_CHOOSE = ("evaluation.extractor", "evaluation.selection", "evaluation.selection_n")
"""And those that a guidance is chosen by."""
READ_TO_JUDGE = ("data", "evaluation", "engine.threads")
"""The params that samples are judged by."""
CHECKPOINTS = ("checkpoint_images", "checkpoint_minutes")
"""The keys of a training that change no bits."""
OWN = ("guidance", "candidates", "interval", "guide", "hook", "zeta", "init", "memory", "synthetic_share", "n_synthetic")
"""The keys of an arm that decide its numbers, beside loop and strategy, where they are given."""


@dataclass(frozen=True)
class Chain:
    """One arm with one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}/seed{self.seed}"


def chains(params: Params) -> list[Chain]:
    """All chains of the experiment, arm by arm."""
    return [Chain(name, seed) for name, arm in params.arms.items() for seed in arm.seeds or params.seeds]


def lengths(params: Params, longer: dict[Chain, int] | None = None) -> dict[Chain, int]:
    """Every chain's number of generations; `longer` extends some beyond what params.yaml says."""
    return {chain: max(params.length(chain.arm), (longer or {}).get(chain, 1)) for chain in chains(params)}


def remembered(params: Params, chain: Chain, generation: int) -> range:
    """The earlier generations that a generation's training set is made from, as its loop or its arm remembers them."""
    arm = params.arms[chain.arm]
    memory = arm.memory or LOOPS[arm.loop].memory or generation
    return range(max(1, generation - memory), generation)


def check_arm(params: Params, arm: str) -> None:
    """Raise BadInput unless params.yaml has this arm."""
    if arm not in params.arms:
        raise BadInput(f"arm: {arm!r} is not allowed: params.yaml has {', '.join(params.arms)}")


def check_seed(params: Params, seed: int) -> None:
    """Raise BadInput unless params.yaml has this seed."""
    if seed not in params.seeds:
        raise BadInput(f"seed: {seed!r} is not allowed: params.yaml has {', '.join(map(str, params.seeds))}")


def decisive(params: Params, chain: Chain) -> dict[str, Any]:
    """The values of params.yaml that the chain's numbers depend on, by their dotted keys."""
    arm = params.arms[chain.arm]
    keys = [
        *READ,
        *given(params, READ_IF_GIVEN),
        *budget(params, "train"),
        f"arms.{chain.arm}.loop",
        f"arms.{chain.arm}.strategy",
    ]
    if arm.fine_tunes:
        keys += budget(params, "auxiliary")
    if arm.guidance == "auto":
        keys += given(params, READ_TO_CHOOSE)
    keys += [f"arms.{chain.arm}.{key}" for key in OWN if getattr(arm, key) is not None]
    return values(params, keys)


def judging(params: Params) -> dict[str, Any]:
    """The values of params.yaml that samples are judged by, by their dotted keys."""
    return values(params, READ_TO_JUDGE)


def values(params: Params, keys: Iterable[str]) -> dict[str, Any]:
    """The values at dotted keys, as they are in the file, and as DVC reads them."""
    return {key: look_up(params.raw, key) for key in keys}


def given(params: Params, keys: Iterable[str]) -> list[str]:
    """Those of the dotted keys that the file has."""
    return [key for key in keys if look_up(params.raw, key) is not None]


def budget(params: Params, section: str) -> list[str]:
    """The keys of a training that decide its numbers."""
    fields = type(getattr(params, section)).model_fields
    return given(params, [f"{section}.{field}" for field in fields if field not in CHECKPOINTS])


def look_up(nested: dict[str, Any], key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    found: Any = nested
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found

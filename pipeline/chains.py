"""Chains: one arm with one seed. Which there are, and what in params.yaml decides their numbers."""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import BadInput
from pipeline.params import Auxiliary, Params, Training
from pipeline.strategies import STRATEGIES

READ = ("data", "n_synthetic", "network", "noise", "sampler", "evaluation", "engine.threads")
"""The params that every generation reads; those of its trainings and the arm's own come on top."""


@dataclass(frozen=True)
class Chain:
    """One arm with one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}/seed{self.seed}"


def chains(params: Params) -> list[Chain]:
    """All chains of the experiment, arm by arm."""
    return [Chain(arm, seed) for arm in params.arms for seed in params.seeds]


def lengths(params: Params, longer: dict[Chain, int] | None = None) -> dict[Chain, int]:
    """Every chain's number of generations; `longer` extends some beyond what params.yaml says."""
    return {chain: max(params.length(chain.arm), (longer or {}).get(chain, 1)) for chain in chains(params)}


def check_arm(params: Params, arm: str) -> None:
    """Raise BadInput unless params.yaml has this arm."""
    if arm not in params.arms:
        raise BadInput(f"arm: {arm!r} is not allowed: params.yaml has {', '.join(params.arms)}")


def check_seed(params: Params, seed: int) -> None:
    """Raise BadInput unless params.yaml has this seed."""
    if seed not in params.seeds:
        raise BadInput(f"seed: {seed} is not allowed: params.yaml has {', '.join(map(str, params.seeds))}")


def decisive(params: Params, chain: Chain) -> dict[str, Any]:
    """The values of params.yaml that the chain's numbers depend on, by their dotted keys."""
    keys = [*READ, *_budget("train", Training), f"arms.{chain.arm}.loop", f"arms.{chain.arm}.strategy"]
    if STRATEGIES[params.arms[chain.arm].strategy].guided:
        keys += [*_budget("auxiliary", Auxiliary), f"arms.{chain.arm}.guidance"]
    return {key: _look_up(params.model_dump(mode="json"), key) for key in keys}


def _budget(section: str, kind: type[Training]) -> list[str]:
    return [f"{section}.{field}" for field in kind.model_fields if field != "checkpoint_images"]


def _look_up(nested: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        nested = nested[part]
    return nested

"""The recipes: the experiment's dvc.yaml and every generation's, written where params.yaml asks for others."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from pipeline.experiment.chains import Chain, chains, check_arm, check_seed, lengths
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.experiment.params import Params
from pipeline.recipes import let_go, stages
from pipeline.storage.files import read_json, write_text
from pipeline.storage.layout import RECIPE, RUNNER, Layout
from pipeline.storage.ownership import owner

HEAD = "# rendered from params.yaml; changes here are overwritten\nstages:\n"
PLANNED = "plan", "chains"
"""The stages of the root's dvc.yaml that are about the recipes alone."""
AGAIN = "the recipes did not fit params.yaml and have been rendered anew: give the same command again"


def recipe(params: Params, chain: Chain, generation: int, gone: Collection[Path] = ()) -> str:
    """The text of a generation's dvc.yaml, which does not name those of the chain's outputs that are `gone`."""
    made = stages.generation_stage(params, chain, generation)
    text = f"{HEAD}{made}{stages.judged_stage(params, chain, generation)}"
    return let_go.without(text, Layout(params.experiment).generation(chain, generation), gone)


def roots(params: Params, wanted: Iterable[Chain]) -> list[str]:
    """DVC's names of the stages that chains share, in the order in which they are made; of those of a seed, the chains'."""
    seeds = {name for chain in wanted for name in (stages.points(chain.seed), stages.base(chain.seed))}
    others = {name for seed in params.seeds for name in (stages.points(seed), stages.base(seed))} - seeds
    return [f"{Layout(params.experiment).recipe}:{name}" for name in stages.shared(params) if name not in others]


def render(params: Params, longer: dict[Chain, int] | None = None) -> bool:
    """Write the recipes of all generations that are missing or differ, and take away those that params.yaml has no longer.

    Data and locks stay, and so do the recipes of chains that another run is making. `longer` extends chains beyond
    params.yaml's number of generations. Says whether recipes that DVC may have read already were wrong.
    """
    layout = Layout(params.experiment)
    wanted = lengths(params, longer)
    gone = {chain: let_go.of_chain(layout.chain(chain)) for chain in wanted}
    texts = {
        layout.generation(chain, number) / RECIPE: recipe(params, chain, number, gone[chain])
        for chain, length in wanted.items()
        for number in range(1, length + 1)
    }
    others = {folder for folder in layout.runs.glob("*/seed*") if owner(folder, RUNNER) not in (None, os.getpid())}
    texts = {path: text for path, text in texts.items() if path.parents[1] not in others}
    found = [path for path in layout.runs.glob(f"*/seed*/g*/{RECIPE}") if path.parents[1] not in others]
    there = {path: path.read_text(encoding="utf-8") for path in found}
    chain_folders = {layout.chain(chain) for chain in wanted}
    for surplus in there.keys() - texts.keys():
        surplus.unlink()
    for path, text in texts.items():
        if there.get(path) != text:
            write_text(path, text)
    common = stages.shared(params)
    former, text = _text(layout.recipe), f"{HEAD}{''.join(common.values())}{stages.plots(params)}"
    if former != text:
        write_text(layout.recipe, text)
    plan = json.dumps(_planned(params), indent=2, sort_keys=True) + "\n"
    if not layout.plan.exists() or layout.plan.read_bytes() != plan.encode():  # a read-only disk is no fault where all is there
        write_text(layout.plan, plan)
    for marker in (layout.planned, layout.chained):
        if not marker.exists():
            write_text(marker, "rendered\n")
    if any(f"\n  {name}:\n" in former and stage not in former for name, stage in common.items()):
        return True
    return any(path.parents[1] not in chain_folders or texts.get(path, text) != text for path, text in there.items())


def rendered(params: Params) -> dict[Chain, int]:
    """Every chain's number of generations in the last run, which `--generations` may have made longer: that of its recipes.

    Empty where params.yaml asks for other chains or numbers than it did then.
    """
    layout = Layout(params.experiment)
    if not layout.plan.exists() or read_json(layout.plan) != _planned(params):
        return {}
    return {chain: len(list(layout.chain(chain).glob(f"g*/{RECIPE}"))) for chain in chains(params)}


def take_back(params: Params, chain: Chain, again: Collection[Path]) -> None:
    """Let the recipes name what was let go of the generation folders `again`: for DVC it is missing from now on."""
    layout = Layout(params.experiment)
    gone = {path for path in let_go.of_chain(layout.chain(chain)) if path.parent not in again}
    for path in sorted(layout.chain(chain).glob(f"g*/{RECIPE}"), reverse=True):  # a kill leaves what can be done again
        text = recipe(params, chain, int(path.parent.name[1:]), gone)
        if _text(path) != text:
            write_text(path, text)


def _planned(params: Params) -> dict[str, int]:
    return {str(chain): params.length(chain.arm) for chain in chains(params)}


def plan_stage(params: Params) -> None:
    """The `plan` stage: render the recipes. Raises RunFailed where DVC has read some that are wrong by now."""
    if render(params):
        raise RunFailed(AGAIN)


def chains_stage(params: Params) -> None:
    """The `chains` stage: reproduce the chains in a DVC of their own, since the plan has changed.

    DVC reads all recipes before it starts. So after a fresh clone a plain `dvc repro` sees the root's stages alone. This stage
    may come before `plan`, and must not depend on what that makes: DVC would lock it.
    """
    plan_stage(params)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--recursive", str(Layout(params.experiment).runs)]
    if subprocess.run(command, check=False).returncode:
        raise RunFailed("dvc repro of the chains failed; the same command goes on where it stopped")


def check(path: Path, stage: str, params: Params) -> None:
    """Raise RunFailed where a recipe that DVC follows has not this stage, whose text fits params.yaml.

    Where something was let go of its chain, DVC may know its outputs only in part: from then on it knows them all.
    """
    if stage not in _text(path):
        let_go.forget(path.parents[1])
        render(params)
        raise RunFailed(AGAIN)


def check_generation(params: Params, chain: Chain, generation: int) -> Path:
    """The recipe of a generation. Raises BadInput where there never was one."""
    path = Layout(params.experiment).generation(chain, generation) / RECIPE
    if not path.exists():
        check_arm(params, chain.arm)
        check_seed(params, chain.seed)
        raise BadInput(
            f"generation: {generation} is not allowed: there is no {path} (self-consuming run or dvc repro writes it)"
        )
    if chain not in chains(params):
        render(params)
        raise RunFailed(AGAIN)
    return path


def _text(path: Path) -> str:
    """What is in a recipe; nothing where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""

"""The recipes: every generation's dvc.yaml, rendered from params.yaml by one pure function."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.chains import Chain, chains, check_arm, check_seed, decisive, lengths, remembered
from pipeline.errors import BadInput, RunFailed
from pipeline.extensions import files
from pipeline.files import read_json, write_text
from pipeline.layout import AUXILIARY, BASE, LOSSES, METRICS, PICTURE, RECIPE, RUNNER, SYNTHETIC, Layout
from pipeline.ownership import owner
from pipeline.params import Params
from pipeline.strategies import STRATEGIES

PYTHON = 'PATH=".venv/bin:$PATH" python'
"""The environment's Python, whether it is activated or not."""

PLANNED = "plan", "chains"
"""The stages of the root's dvc.yaml that are about the recipes alone."""
AGAIN = "the recipes did not fit params.yaml and have been rendered anew: give the same command again"


def recipe(params: Params, chain: Chain, generation: int) -> str:
    """The text of a generation's dvc.yaml."""
    layout = Layout(params.experiment)
    arm = params.arms[chain.arm]
    deps = [str(layout.code), *map(str, files(params.extensions or [])), str(layout.real(chain.seed))]
    if arm.guidance == "auto":
        deps.append(str(layout.held_out(chain.seed)))
    if params.evaluation.extractor == "classifier":
        deps += [str(layout.extractor), str(layout.reference)]
    deps += [str(layout.generation(chain, earlier) / SYNTHETIC) for earlier in remembered(params, chain, generation)[:-1]]
    deps.append(str(predecessor(layout, chain, generation)))
    if generation == 1:
        deps.append(str(layout.planned))
    if arm.init == "previous" and generation > 1:
        deps.append(str(layout.generation(chain, generation - 1) / BASE))
    folder = layout.generation(chain, generation)
    second = [AUXILIARY] if STRATEGIES[arm.strategy].second else []
    outs = [str(folder / name) for name in (BASE, *second, LOSSES, SYNTHETIC, PICTURE)]
    up = "/".join([".."] * len(folder.parts))
    words = f"--experiment {params.experiment} --arm {chain.arm} --seed {chain.seed} --generation {generation}"
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"stages:\n  generation:\n    wdir: {up}\n    cmd: {PYTHON} -m pipeline generation {words}\n"
        f"    deps:\n{_lines(deps)}    params:\n{_lines(decisive(params, chain))}    outs:\n{_lines(outs)}"
        f"    metrics:\n{_lines([str(folder / METRICS)])}"
    )


def plots(params: Params) -> str:
    """The text of the experiment's dvc.yaml: the collapse curves for `dvc plots show`."""
    layout = Layout(params.experiment)
    up = "/".join([".."] * len(layout.runs.parts))
    curves = "".join(f"      {up}/{layout.reports}/curves/{arm}.csv: fid\n" for arm in params.arms)
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"plots:\n- FID:\n    title: '{params.experiment}: FID over generations, mean over seeds'\n    x: generation\n"
        f"    y:\n{curves}    x_label: generation\n    y_label: FID\n"
    )


def roots(wanted: Iterable[Chain]) -> list[str]:
    """The stages of the root's dvc.yaml that the chains need: code, data, and their seeds' base models."""
    return ["code", "data", *dict.fromkeys(f"base@{chain.seed}" for chain in wanted)]


def render(params: Params, longer: dict[Chain, int] | None = None) -> bool:
    """Write the recipes of all generations that are missing or differ, and take away those that params.yaml has no longer.

    Data and locks stay, and so do the recipes of chains that another run is making. `longer` extends chains beyond
    params.yaml's number of generations. Says whether recipes that DVC may have read already were wrong.
    """
    layout = Layout(params.experiment)
    wanted = lengths(params, longer)
    texts = {
        layout.generation(chain, number) / RECIPE: recipe(params, chain, number)
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
    shown = layout.runs / RECIPE
    if not shown.exists() or shown.read_bytes() != plots(params).encode():
        write_text(shown, plots(params))
    plan = json.dumps(_planned(params), indent=2, sort_keys=True) + "\n"
    if not layout.plan.exists() or layout.plan.read_bytes() != plan.encode():  # a read-only disk is no fault where all is there
        write_text(layout.plan, plan)
    for marker in (layout.planned, layout.chained):
        if not marker.exists():
            write_text(marker, "rendered\n")
    return any(path.parents[1] not in chain_folders or texts.get(path, text) != text for path, text in there.items())


def rendered(params: Params) -> dict[Chain, int]:
    """Every chain's number of generations in the last run, which `--generations` may have made longer: that of its recipes.

    Empty where params.yaml asks for other chains or numbers than it did then.
    """
    layout = Layout(params.experiment)
    if not layout.plan.exists() or read_json(layout.plan) != _planned(params):
        return {}
    return {chain: len(list(layout.chain(chain).glob(f"g*/{RECIPE}"))) for chain in chains(params)}


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
    ends = [Layout(params.experiment).generation(chain, params.length(chain.arm)) / RECIPE for chain in chains(params)]
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *map(str, ends)]
    if subprocess.run(command, check=False).returncode:
        raise RunFailed("dvc repro of the chains failed; the same command goes on where it stopped")


def check_recipe(params: Params, chain: Chain, generation: int) -> None:
    """Raise RunFailed where the recipe that DVC follows does not fit params.yaml, BadInput where there never was one."""
    path = Layout(params.experiment).generation(chain, generation) / RECIPE
    if not path.exists():
        check_arm(params, chain.arm)
        check_seed(params, chain.seed)
        raise BadInput(
            f"generation: {generation} is not allowed: there is no {path} (self-consuming run or dvc repro writes it)"
        )
    elif chain not in chains(params) or path.read_text(encoding="utf-8") != recipe(params, chain, generation):
        render(params)
        raise RunFailed(AGAIN)


def predecessor(layout: Layout, chain: Chain, generation: int) -> Path:
    """What a generation is made from: the shared base model, or the output of the generation before."""
    if generation == 1:
        return layout.base(chain.seed) / BASE
    return layout.generation(chain, generation - 1) / SYNTHETIC


def _lines(items: Iterable[str]) -> str:
    return "".join(f"    - {item}\n" for item in items)

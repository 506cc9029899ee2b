"""The door to DVC: every generation is a stage with a rendered recipe; here it is asked "is it current?" and committed.

`dvc repro` runs the same recipes; after a flow's commits it has nothing left to do.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from pipeline.errors import RunFailed
from pipeline.layout import AUXILIARY, BASE, GRID, METRICS, PARAMS, RECIPE, SYNTHETIC, Chain, Layout, write_json, write_text
from pipeline.layout import LOCK as LOCK_FILE
from pipeline.params import Params, load
from pipeline.strategies import STRATEGIES

if TYPE_CHECKING:
    pass

PYTHON = 'PATH=".venv/bin:$PATH" python'
"""The environment's Python, whether it is activated or not."""

CODE = (
    "models",
    "pipeline/compute.py",
    "pipeline/datasets.py",
    "pipeline/evaluation.py",
    "pipeline/features.py",
    "pipeline/metrics.py",
    "pipeline/mixing.py",
    "pipeline/pictures.py",
    "pipeline/seeds.py",
    "pipeline/steps.py",
    "pipeline/strategies.py",
)
"""The files that decide a generation's numbers."""

READ = ("data", "n_synthetic", "network", "noise", "train", "sampler", "evaluation", "engine.threads")
"""The params that every generation reads; the arm's own and the auxiliary's come on top."""


def chains(params: Params) -> list[Chain]:
    """All chains of the experiment, arm by arm."""
    return [Chain(arm, seed) for arm in params.arms for seed in params.seeds]


def recipe(params: Params, chain: Chain, generation: int) -> str:
    """The text of a generation's dvc.yaml."""
    layout, arm = Layout(params.experiment), params.arms[chain.arm]
    guided = STRATEGIES[arm.strategy].guided
    deps = [*CODE, str(layout.real(chain.seed))]
    if params.evaluation.extractor == "classifier":
        deps += [str(layout.extractor), str(layout.reference)]
    if generation == 1:
        deps.append(str(layout.base(chain.seed) / BASE))
    else:
        deps.append(str(layout.generation(chain, generation - 1) / SYNTHETIC))
    read = [*READ, f"arms.{chain.arm}.loop", f"arms.{chain.arm}.strategy"]
    if guided:
        read += ["auxiliary", f"arms.{chain.arm}.guidance"]
    folder = layout.generation(chain, generation)
    outs = [str(folder / name) for name in (BASE, *((AUXILIARY,) if guided else ()), SYNTHETIC, GRID)]
    up = "/".join([".."] * len(folder.parts))
    words = f"--experiment {params.experiment} --arm {chain.arm} --seed {chain.seed} --generation {generation}"
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"stages:\n  generation:\n    wdir: {up}\n    cmd: {PYTHON} -m pipeline generation {words}\n"
        f"    deps:\n{_lines(deps)}    params:\n{_lines(read)}    outs:\n{_lines(outs)}"
        f"    metrics:\n{_lines([str(folder / METRICS)])}"
    )


def render(params: Params, generations: int | None = None) -> bool:
    """Write every recipe that is missing or differs; say whether any generation got its first one.

    `generations` extends the chains beyond params.yaml's number. Recipes of arms and seeds that params.yaml no longer has are
    taken away (their data and locks stay), since DVC could not resolve them.
    """
    layout, new = Layout(params.experiment), False
    wanted = chains(params)
    for chain in wanted:
        for generation in range(1, max(params.length(chain.arm), generations or 1) + 1):
            path = layout.generation(chain, generation) / RECIPE
            text = recipe(params, chain, generation)
            known = path.exists()
            if not known or path.read_text(encoding="utf-8") != text:
                write_text(path, text)
            new = new or not known
    kept = {layout.chain(chain) for chain in wanted}
    for orphan in layout.runs.glob(f"*/seed*/g*/{RECIPE}"):
        if orphan.parents[1] not in kept:
            orphan.unlink()
    plan = {str(chain): params.length(chain.arm) for chain in wanted}
    write_json(layout.runs / "plan.json", plan)
    return new


def plan_stage(params: Params) -> None:
    """The `plan` stage: render the recipes, and reproduce them where the running DVC cannot know them yet.

    DVC reads all recipes before it starts. So after a fresh clone a plain `dvc repro` sees the root's stages alone, and this
    one starts a second DVC for the chains.
    """
    if not render(params):
        return
    ends = [Layout(params.experiment).generation(chain, params.length(chain.arm)) / RECIPE for chain in chains(params)]
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *map(str, ends)]
    if subprocess.run(command, check=False).returncode:
        raise RunFailed("dvc repro of the chains failed; the same command goes on where it stopped")


class Versions:
    """The project's DVC repository, opened once a process. Waits for its lock when another chain holds it."""

    def __init__(self) -> None:
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)
        self._text = Path(PARAMS).read_bytes()
        self.repo: Repo = Repo(".", _wait_for_lock=True)

    def current(self, folders: Iterable[Path]) -> set[Path]:
        """Those of the generation folders whose outputs are there and fit recipe, code, params and inputs."""
        locked = [folder for folder in folders if (folder / LOCK_FILE).exists()]
        if not locked:
            return set()
        stale = self.repo.status(targets=[str(folder / RECIPE) for folder in locked])
        return {folder for folder in locked if not any(key.startswith(str(folder / RECIPE)) for key in stale)}

    def stage_is_current(self, stage: str) -> bool:
        """Whether a stage of the root's dvc.yaml is current."""
        return not self.repo.status(targets=[stage])

    def commit(self, target: str, params: Params) -> None:
        """Record outputs made by this process as the result of their recipe (lock, cache and run cache).

        Raises RunFailed when params.yaml is no longer what the outputs were made from.
        """
        text = Path(PARAMS).read_bytes()
        if text != self._text and load(Path(PARAMS)) != params:
            raise RunFailed("params.yaml has changed since this run started: its results cannot be recorded; start again")
        self.repo.commit(target, force=True)


def digests(folder: Path) -> dict[str, str]:
    """The md5 of each output that a generation's lock records, by file name; empty where nothing was committed."""
    path = folder / LOCK_FILE
    if not path.exists():
        return {}
    stage = YAML(typ="safe").load(path)["stages"]["generation"]
    return {Path(out["path"]).name: out["md5"] for out in stage["outs"]}


def _lines(items: Iterable[str]) -> str:
    return "".join(f"    - {item}\n" for item in items)

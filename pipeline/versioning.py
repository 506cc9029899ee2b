"""The door to DVC: every generation is a stage with a rendered recipe; here it is asked "is it current?" and committed.

`dvc repro` runs the same recipes; after a flow's commits it has nothing left to do.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML, YAMLError

from pipeline.chains import Chain, chains, check_arm, check_seed, decisive, lengths
from pipeline.errors import BadInput, RunFailed
from pipeline.files import write_json, write_text
from pipeline.layout import AUXILIARY, BASE, LOCK, METRICS, PARAMS, PICTURE, RECIPE, SYNTHETIC, Layout
from pipeline.params import Params, load
from pipeline.strategies import STRATEGIES

if TYPE_CHECKING:
    from dvc.repo import Repo

PYTHON = 'PATH=".venv/bin:$PATH" python'
"""The environment's Python, whether it is activated or not."""

CODE = (
    "models",
    "pipeline/compute.py",
    "pipeline/datasets.py",
    "pipeline/evaluation.py",
    "pipeline/features.py",
    "pipeline/files.py",
    "pipeline/metrics.py",
    "pipeline/mixing.py",
    "pipeline/pictures.py",
    "pipeline/seeds.py",
    "pipeline/steps.py",
    "pipeline/strategies.py",
)
"""The files that decide a generation's bytes."""

AGAIN = "the recipes did not fit params.yaml and have been rendered anew: give the same command again"


def recipe(params: Params, chain: Chain, generation: int) -> str:
    """The text of a generation's dvc.yaml."""
    layout = Layout(params.experiment)
    guided = STRATEGIES[params.arms[chain.arm].strategy].guided
    deps = [*CODE, str(layout.real(chain.seed))]
    if params.evaluation.extractor == "classifier":
        deps += [str(layout.extractor), str(layout.reference)]
    deps.append(str(_predecessor(layout, chain, generation)))
    folder = layout.generation(chain, generation)
    outs = [str(folder / name) for name in (BASE, *((AUXILIARY,) if guided else ()), SYNTHETIC, PICTURE)]
    up = "/".join([".."] * len(folder.parts))
    words = f"--experiment {params.experiment} --arm {chain.arm} --seed {chain.seed} --generation {generation}"
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"stages:\n  generation:\n    wdir: {up}\n    cmd: {PYTHON} -m pipeline generation {words}\n"
        f"    deps:\n{_lines(deps)}    params:\n{_lines(decisive(params, chain))}    outs:\n{_lines(outs)}"
        f"    metrics:\n{_lines([str(folder / METRICS)])}"
    )


def render(params: Params, longer: dict[Chain, int] | None = None) -> tuple[bool, bool]:
    """Write the recipes of all generations that are missing or differ, and take away those that params.yaml has no longer.

    Data and locks stay. `longer` extends chains beyond params.yaml's number of generations. Says whether there are new
    generations, and whether recipes that DVC may have read already were wrong.
    """
    layout = Layout(params.experiment)
    wanted = lengths(params, longer)
    texts = {
        layout.generation(chain, number) / RECIPE: recipe(params, chain, number)
        for chain, length in wanted.items()
        for number in range(1, length + 1)
    }
    there = {path: path.read_text(encoding="utf-8") for path in layout.runs.glob(f"*/seed*/g*/{RECIPE}")}
    chain_folders = {layout.chain(chain) for chain in wanted}
    for surplus in there.keys() - texts.keys():
        surplus.unlink()
    for path, text in texts.items():
        if there.get(path) != text:
            write_text(path, text)
    write_json(layout.runs / "plan.json", {str(chain): params.length(chain.arm) for chain in wanted})
    wrong = any(path.parents[1] not in chain_folders or texts.get(path, text) != text for path, text in there.items())
    return bool(texts.keys() - there.keys()), wrong


def plan_stage(params: Params) -> None:
    """The `plan` stage: render the recipes, and reproduce them where the running DVC cannot know them yet.

    DVC reads all recipes before it starts. So after a fresh clone a plain `dvc repro` sees the root's stages alone, and this
    one starts a second DVC for the chains. Raises RunFailed where DVC has read recipes that are wrong by now.
    """
    new, wrong = render(params)
    if wrong:
        raise RunFailed(AGAIN)
    if not new:
        return
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


def digests(folder: Path) -> dict[str, str]:
    """The md5 of each output that a generation's lock records, by file name; empty where nothing was committed."""
    return {Path(path).name: md5 for path, md5 in _hashes(_locked(folder), "outs").items()}


def finished(params: Params, chain: Chain, generations: int) -> list[Path]:
    """A chain's committed generations, from the first to at most `generations`, of today's params and each from the one before.

    Looks at the locks alone; whether code and files are still the same is for `Versions.current`.
    """
    layout, found = Layout(params.experiment), list[Path]()
    values, output = decisive(params, chain), None
    for number in range(1, generations + 1):
        folder = layout.generation(chain, number)
        stage = _locked(folder)
        source = _hashes(stage, "deps").get(str(_predecessor(layout, chain, number)))
        follows = number == 1 or source == output
        if stage.get("params") != {PARAMS: values} or not follows or not (folder / METRICS).exists():
            break
        output = _hashes(stage, "outs")[str(folder / SYNTHETIC)]
        found.append(folder)
    return found


class Versions:
    """The project's DVC repository, opened once a process. Waits for its lock when another chain holds it.

    Raises RunFailed with DVC's own words where DVC cannot do what it is asked.
    """

    def __init__(self, params: Params) -> None:
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        self._params, self._text = params, Path(PARAMS).read_bytes()
        self._repo = _open()

    def current(self, folders: Iterable[Path]) -> set[Path]:
        """Those of the generation folders whose outputs are there and fit recipe, code, params and inputs."""
        known = [folder for folder in folders if (folder / LOCK).exists() and (folder / RECIPE).exists()]
        if not known:
            return set()
        stale = self._status([str(folder / RECIPE) for folder in known])
        return {folder for folder in known if not any(key.startswith(str(folder / RECIPE)) for key in stale)}

    def stage_is_current(self, stage: str) -> bool:
        """Whether a stage of the root's dvc.yaml is current."""
        return not self._status([stage])

    def commit(self, target: str) -> None:
        """Record outputs made by this process as the result of their recipe (lock, cache and run cache)."""
        self.check_params()
        with _said_by_dvc():
            self._repo.commit(target, force=True, relink=False)

    def check_params(self) -> None:
        """Raise RunFailed when params.yaml is no longer what this process computes with."""
        text = Path(PARAMS).read_bytes()
        if text != self._text and load(Path(PARAMS)) != self._params:
            raise RunFailed("params.yaml has changed since this run started: its results cannot be recorded; start again")

    def _status(self, targets: list[str]) -> dict[str, Any]:
        try:
            with _said_by_dvc():
                stale: dict[str, Any] = self._repo.status(targets=targets)
        except Exception:  # a lock that was cut can break DVC anywhere
            if not _drop_damaged_locks():
                raise
            self._repo = _open()
            return self._status(targets)
        return stale


def _open() -> "Repo":
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.WARNING)
    with _said_by_dvc():
        return Repo(".", _wait_for_lock=True)


@contextmanager
def _said_by_dvc() -> Iterator[None]:
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise RunFailed(f"DVC: {' '.join(str(error).split())}") from error


def _drop_damaged_locks() -> list[Path]:
    """Remove locks that a kill in the middle of DVC's writing has cut: what they recorded counts as never committed."""
    locks = [Path(LOCK), *Path("runs").glob(f"*/*/seed*/g*/{LOCK}")]
    damaged = [path for path in locks if path.exists() and not _read(path)]
    for path in damaged:
        path.unlink()
    return damaged


def _locked(folder: Path) -> dict[str, Any]:
    """What a generation's lock says of its stage; nothing where there is no lock, or a damaged one."""
    stage: dict[str, Any] = _read(folder / LOCK).get("generation", {})
    return stage


def _hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The md5 of a locked stage's deps or outs, by path."""
    return {entry["path"]: entry["md5"] for entry in stage.get(kind, [])}


def _read(lock: Path) -> dict[str, Any]:
    """The stages of a lock file; none where it is not there, or cut."""
    try:
        content = YAML(typ="safe").load(lock)
        stages: dict[str, Any] = content["stages"]
        complete = all(
            {"cmd", "outs"} <= stage.keys() and all("md5" in out for out in stage["outs"]) for stage in stages.values()
        )
    except (OSError, YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return stages if complete else {}


def _predecessor(layout: Layout, chain: Chain, generation: int) -> Path:
    """What a generation is made from: the shared base model, or the output of the generation before."""
    if generation == 1:
        return layout.base(chain.seed) / BASE
    return layout.generation(chain, generation - 1) / SYNTHETIC


def _lines(items: Iterable[str]) -> str:
    return "".join(f"    - {item}\n" for item in items)

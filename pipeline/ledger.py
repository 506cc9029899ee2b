"""What DVC has recorded, read from the generations' locks without DVC: fast, and unharmed by one that a kill has cut."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from pipeline.chains import Chain, decisive
from pipeline.layout import LOCK, METRICS, PARAMS, RECIPE, SYNTHETIC, Layout
from pipeline.params import Params
from pipeline.recipes import predecessor, roots
from pipeline.sections import MAX_GENERATIONS


def digests(folder: Path) -> dict[str, str]:
    """The md5 of each output that a generation's lock records, by file name; empty where nothing was committed."""
    return {Path(path).name: md5 for path, md5 in _hashes(_locked(folder), "outs").items()}


def sources(folder: Path) -> dict[Path, str]:
    """The md5 of the data and models that a generation's lock says it was made from."""
    deps = _hashes(_locked(folder), "deps")
    return {Path(path): md5 for path, md5 in deps.items() if path.startswith("runs/") and Path(path).suffix != ""}


def outputs(target: str) -> dict[Path, str]:
    """The md5 of each output that the locks record of a stage of the root, or of the recipe at a path."""
    path = Path(target)
    stage = _locked(path.parent) if path.name == RECIPE else _read(Path(LOCK)).get(target, {})
    return {Path(out): md5 for out, md5 in _hashes(stage, "outs").items()}


def finished(params: Params, chain: Chain, generations: int) -> list[Path]:
    """A chain's committed generations, from the first to at most `generations`, of today's params and each from the one before.

    Looks at the locks alone; whether code and files are still the same is for `Versions.current`.
    """
    layout, found = Layout(params.experiment), list[Path]()
    values, output = decisive(params, chain), None
    for number in range(1, generations + 1):
        folder = layout.generation(chain, number)
        stage = _locked(folder)
        source = _hashes(stage, "deps").get(str(predecessor(layout, chain, number)))
        follows = number == 1 or source == output
        if stage.get("params") != {PARAMS: values} or not follows or not (folder / METRICS).exists():
            break
        output = _hashes(stage, "outs").get(str(folder / SYNTHETIC))
        if output is None:  # cut between two outputs
            break
        found.append(folder)
    return found


def beyond(params: Params, chain: Chain, number: int) -> list[Path]:
    """The folders of a chain's generations of today's params that are committed, beyond the first `number`."""
    values, layout = {PARAMS: decisive(params, chain)}, Layout(params.experiment)
    folders = (layout.generation(chain, later) for later in range(number + 1, MAX_GENERATIONS + 1))
    return [folder for folder in folders if _locked(folder).get("params") == values]


def absent(experiment: str, wanted: Iterable[Chain]) -> list[str]:
    """DVC's names of the chains' stages whose locks name outputs that are not here: made elsewhere, or taken away."""
    layout, locked = Layout(experiment), _read(Path(LOCK))
    made = {name: locked[name] for name in roots(wanted) if name in locked}
    folders = [lock.parent for chain in wanted for lock in sorted(layout.chain(chain).glob(f"g*/{LOCK}"))]
    recipes = {str(folder / RECIPE): _locked(folder) for folder in folders if (folder / RECIPE).exists()}
    return [name for name, stage in (made | recipes).items() if not all(Path(out).exists() for out in _hashes(stage, "outs"))]


def drop_damaged_locks() -> list[Path]:
    """Remove locks that a kill in the middle of DVC's writing has cut: what they recorded counts as never committed."""
    locks = [Path(LOCK), *Path("runs").glob(f"*/*/seed*/g*/{LOCK}"), *Path("studies").glob(f"*/{LOCK}")]
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
    """The stages of a lock file, not to be changed; none where it is not there, or cut. It is parsed once for each writing."""
    try:
        state = lock.stat()
    except OSError:
        return {}
    return _parsed(lock, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=4096)
def _parsed(lock: Path, *state: int) -> dict[str, Any]:
    try:
        content = YAML(typ="safe").load(lock)
        stages: dict[str, Any] = content["stages"]
        complete = all(
            {"cmd", "outs"} <= stage.keys() and all("md5" in out for out in stage["outs"]) for stage in stages.values()
        )
    except (OSError, YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return stages if complete else {}

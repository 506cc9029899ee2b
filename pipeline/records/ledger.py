"""What DVC has recorded, read from the generations' locks without DVC: fast, and unharmed by one that a kill has cut."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.resolver import VersionedResolver

from pipeline.experiment.chains import Chain, decisive, judging
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.recipes.let_go import let_go
from pipeline.recipes.rendering import roots
from pipeline.recipes.stages import GENERATION, JUDGED, predecessor
from pipeline.storage.layout import LOCK, METRICS, PARAMS, RECIPE, SYNTHETIC, Layout


def digests(folder: Path) -> dict[str, str]:
    """The md5 of each output that a generation's lock records, by file name; empty where nothing was committed."""
    outs = md5_by_path(_locked(folder), "outs") | md5_by_path(_locked(folder, JUDGED), "outs")
    return {Path(path).name: md5 for path, md5 in outs.items()}


def sources(folder: Path) -> dict[Path, str]:
    """The md5 of the data and models that a generation's lock says it was made from."""
    deps = md5_by_path(_locked(folder), "deps") | md5_by_path(_locked(folder, JUDGED), "deps")
    files = {Path(path): md5 for path, md5 in deps.items() if path.startswith("runs/") and Path(path).suffix != ""}
    return {path: md5 for path, md5 in files.items() if path.parent != folder}


def outputs(target: str) -> dict[Path, str]:
    """The md5 of each output that the locks record of what DVC calls RECIPE, RECIPE:STAGE, or, at the root, STAGE."""
    recipe, _, stage = (target, "", "") if target.endswith(RECIPE) else target.rpartition(":")
    locked = locked_stages(Path(recipe or RECIPE).with_name(LOCK))
    made = [locked.get(stage, {})] if stage else locked.values()
    return {Path(out): md5 for each in made for out, md5 in md5_by_path(each, "outs").items()}


def finished(params: Params, chain: Chain, generations: int) -> list[Path]:
    """A chain's committed generations, from the first to at most `generations`, of today's params and each from the one before.

    Looks at the locks alone; whether code and files are still the same is for `Versions.current`.
    """
    layout, found = Layout(params.experiment), list[Path]()
    values, judged_by, output = decisive(params, chain), judging(params), None
    for number in range(1, generations + 1):
        folder = layout.generation(chain, number)
        stage, judged = _locked(folder), _locked(folder, JUDGED)
        source = md5_by_path(stage, "deps").get(str(predecessor(layout, chain, number)))
        follows = number == 1 or source == output
        if stage.get("params") != {PARAMS: values} or not follows or not (folder / METRICS).exists():
            break
        output = md5_by_path(stage, "outs").get(str(folder / SYNTHETIC))
        if output is None or output != md5_by_path(judged, "deps").get(str(folder / SYNTHETIC)):  # not judged since it was made
            break
        if judged.get("params") != {PARAMS: judged_by}:
            break
        found.append(folder)
    return found


def beyond(params: Params, chain: Chain, number: int) -> list[Path]:
    """The folders of a chain's generations of today's params that are committed, beyond the first `number`."""
    values, layout = {PARAMS: decisive(params, chain)}, Layout(params.experiment)
    folders = (layout.generation(chain, later) for later in range(number + 1, MAX_GENERATIONS + 1))
    return [folder for folder in folders if _locked(folder).get("params") == values]


def absent(params: Params, wanted: Collection[Chain]) -> list[str]:
    """DVC's names of the chains' stages whose locks name outputs that are not here, and that were not let go."""
    layout = Layout(params.experiment)
    folders = [lock.parent for chain in wanted for lock in sorted(layout.chain(chain).glob(f"g*/{LOCK}"))]
    recipes = [str(folder / RECIPE) for folder in folders if (folder / RECIPE).exists()]
    named = {name: outputs(name).keys() - let_go(Path(name)) for name in (*roots(params, wanted), *recipes)}
    return [name for name, outs in named.items() if not all(out.exists() for out in outs)]


def in_use(md5: str) -> bool:
    """Whether any lock of the project records an output of this content that was not let go."""
    for lock in _locks():
        if md5 in lock.read_text(encoding="utf-8"):
            outs = [each for stage in locked_stages(lock).values() for each in md5_by_path(stage, "outs").items()]
            if {Path(out) for out, found in outs if found == md5} - let_go(lock.with_name(RECIPE)):
                return True
    return False


def drop_damaged_locks() -> list[Path]:
    """Remove locks that a kill in the middle of DVC's writing has cut: what they recorded counts as never committed."""
    damaged = [path for path in _locks() if not locked_stages(path)]
    for path in damaged:
        path.unlink()
    return damaged


def _locks() -> list[Path]:
    """All locks of the project."""
    runs = Path("runs")
    locks = [Path(LOCK), *runs.glob(f"*/{LOCK}"), *runs.glob(f"*/*/seed*/g*/{LOCK}"), *Path("studies").glob(f"*/{LOCK}")]
    return [path for path in locks if path.exists()]


def _locked(folder: Path, stage: str = GENERATION) -> dict[str, Any]:
    """What a generation's lock says of a stage; nothing where there is no lock, or a damaged one."""
    locked: dict[str, Any] = locked_stages(folder / LOCK).get(stage, {})
    return locked


def md5_by_path(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The md5 of a locked stage's deps or outs, by path."""
    return {entry["path"]: entry["md5"] for entry in stage.get(kind, [])}


class _Resolver(VersionedResolver):
    """Knows the version: ruamel looks for it anew at every word, a quarter of the time that a lock takes."""

    processing_version = 1, 2


def locked_stages(lock: Path) -> dict[str, Any]:
    """The stages of a lock file, not to be changed; none where it is not there, or cut. It is parsed once for each writing."""
    try:
        state = lock.stat()
    except OSError:
        return {}
    return _parsed(lock, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=4096)
def _parsed(lock: Path, *state: int) -> dict[str, Any]:
    try:
        reader = YAML(typ="safe")
        reader.Resolver = _Resolver
        content = reader.load(lock)
        stages: dict[str, Any] = content["stages"]
        complete = all(
            {"cmd", "outs"} <= stage.keys() and all("md5" in out for out in stage["outs"]) for stage in stages.values()
        )
    except (OSError, YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return stages if complete else {}

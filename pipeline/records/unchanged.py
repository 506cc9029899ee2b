"""Recipes that are plainly unchanged: their lock, params.yaml, the files and DVC's cache say the same as they do.

DVC parses and validates every recipe and lock, and hashes a folder of code once for every stage that depends on it: 35 ms a
generation. Here each file and folder is hashed once, by DVC's own functions. Nothing is ever called stale: what is not plainly
unchanged, or has not the form in which this program writes recipes, is left to DVC.
"""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.experiment.chains import look_up
from pipeline.recipes.let_go import MARK
from pipeline.recipes.rendering import HEAD
from pipeline.records.ledger import locked_stages, md5_by_path
from pipeline.storage.layout import LOCK, PARAMS

if TYPE_CHECKING:
    from dvc.repo import Repo

LINE = re.compile(
    r"  (?P<stage>\w+):|    (?P<key>wdir|cmd): (?P<value>.+)|    (?P<list>deps|params|outs|metrics):|    - (?P<item>.+)"
)
"""Those of a recipe, as `pipeline.recipes.stages` writes them."""
Stages = dict[str, dict[str, list[str]]]
"""What a recipe says of each stage; wdir and cmd as lists of one."""


def unchanged(repo: "Repo", recipes: Iterable[Path], params: dict[str, Any]) -> set[Path]:
    """Those of the recipes whose stages are all current; `params` are the values of params.yaml, as DVC reads them."""
    stages, locks = dict[Path, Stages](), dict[Path, dict[str, Any]]()
    for recipe in recipes:
        said, locked = _stages(recipe), locked_stages(recipe.with_name(LOCK))
        if said and said.keys() <= locked.keys() and all(_as_locked(said[name], locked[name], params) for name in said):
            stages[recipe], locks[recipe] = said, locked
    actual = _hashes(repo, {path for each in stages.values() for stage in each.values() for path in _paths(stage)})
    return {
        recipe for recipe, said in stages.items() if all(_holds(repo, said[name], locks[recipe][name], actual) for name in said)
    }


def _stages(recipe: Path) -> Stages:
    """The stages of a recipe; none where it has a line of another form."""
    found: Stages = {}
    stage, items = dict[str, list[str]](), list[str]()
    text = recipe.read_text(encoding="utf-8")
    head, _, body = (text.partition("\n")[2] if text.startswith(MARK) else text).partition(HEAD)
    for line in body.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            return {}
        if match["stage"]:
            stage = found[match["stage"]] = {}
        elif match["key"]:
            stage[match["key"]] = [match["value"]]
        elif match["list"]:
            items = stage[match["list"]] = []
        else:
            items.append(match["item"])
    up = "/".join([".."] * len(recipe.parent.parts))
    return found if not head and all(each.get("wdir") == [up] for each in found.values()) else {}


def _as_locked(said: dict[str, list[str]], locked: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether a stage's command, params and paths are those of its lock."""
    values = {key: look_up(params, key) for key in said.get("params", [])}
    return (
        said.get("cmd") == [locked["cmd"]]
        and locked.get("params", {}) == ({PARAMS: values} if values else {})
        and md5_by_path(locked, "deps").keys() == set(said.get("deps", []))
        and md5_by_path(locked, "outs").keys() == set(_outputs(said))
    )


def _holds(repo: "Repo", said: dict[str, list[str]], locked: dict[str, Any], actual: dict[str, str]) -> bool:
    """Whether all files are as a stage's lock says, and the outputs in DVC's cache, too."""
    outs = md5_by_path(locked, "outs")
    hashes = md5_by_path(locked, "deps") | outs
    return all(actual.get(path) == md5 for path, md5 in hashes.items()) and all(
        os.path.exists(repo.cache.local.oid_to_path(md5)) and not _ignored(repo, path) for path, md5 in outs.items()
    )


def _ignored(repo: "Repo", path: str) -> bool:
    """Whether DVC overlooks a file by .dvcignore."""
    return bool(repo.dvcignore.is_ignored(repo.fs, os.path.abspath(path), ignore_subrepos=False))


def _outputs(said: dict[str, list[str]]) -> list[str]:
    return [*said.get("outs", []), *said.get("metrics", [])]


def _paths(said: dict[str, list[str]]) -> list[str]:
    return [*said.get("deps", []), *_outputs(said)]


def _hashes(repo: "Repo", paths: Collection[str]) -> dict[str, str]:
    """The md5 of every file and folder that is there, as DVC computes and remembers it."""
    from dvc_data.hashfile.build import build
    from dvc_objects.fs.local import LocalFileSystem

    fs, root, cache, found = LocalFileSystem(), os.getcwd(), repo.cache.local, dict[str, str]()
    places = {os.path.join(root, path): path for path in paths if os.path.exists(path)}
    infos = {place: fs.info(place) for place in places}
    files = [place for place, info in infos.items() if info["type"] == "file"]
    for place, _, known in repo.state.get_many(files, fs, infos):
        if known is not None and known.name == "md5":
            found[places[place]] = known.value
    for place, path in places.items():
        if path not in found:
            _, _, built = build(cache, place, fs, "md5", ignore=repo.dvcignore, dry_run=True)
            found[path] = str(built.hash_info.value)
    return found

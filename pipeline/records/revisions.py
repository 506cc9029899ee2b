"""Git revisions and DVC experiments, read without a checkout: what git has of them, and what their lock records."""

import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from pipeline.storage.layout import LOCK

EXPERIMENTS = "refs/exps"
"""Where DVC keeps its experiments: refs/exps/BASELINE (in two parts)/NAME, each a commit on top of the baseline."""
PARTS = 5
"""Of such a name; DVC's own have others."""


def commit_of(name: str) -> str | None:
    """The commit that a DVC experiment, or a git revision, names; None for neither."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return experiments().get(name) or (found.decode().strip() if found else None)


def experiments() -> dict[str, str]:
    """The commit of each of DVC's experiments, by name; of those with one name on several baselines the newest."""
    lines = (_git("for-each-ref", "--sort=creatordate", "--format=%(objectname) %(refname)", EXPERIMENTS) or b"").decode()
    refs = [line.partition(" ")[::2] for line in lines.splitlines()]
    return {ref.split("/")[-1]: commit for commit, ref in refs if ref.count("/") == PARTS - 1}


def branches() -> list[str]:
    """The names of git's branches and tags."""
    return (_git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags") or b"").decode().splitlines()


def file_of(commit: str, path: str) -> bytes | None:
    """A file of the project, as a commit has it."""
    return _git("show", f"{commit}:./{path}")


def outputs_of(commit: str, stage: str) -> dict[Path, str]:
    """The md5 of each output of one of the root's stages, by path, as the commit's lock records it; none without one."""
    outs = locked(file_of(commit, LOCK) or b"").get(stage, {}).get("outs", [])
    return {Path(out["path"]): str(out["md5"]) for out in outs}


def locked(lock: bytes) -> dict[str, dict[str, Any]]:
    """The stages of a lock's content; none of what is no lock."""
    try:
        stages: dict[str, dict[str, Any]] = YAML(typ="safe").load(lock)["stages"]
    except (YAMLError, KeyError, TypeError):
        return {}
    return stages


def _git(*words: str) -> bytes | None:
    """What git prints; None where it fails, or is not there."""
    try:
        found = subprocess.run(["git", *words], capture_output=True, check=False)
    except OSError:
        return None
    return found.stdout if found.returncode == 0 else None

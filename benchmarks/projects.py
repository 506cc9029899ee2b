"""Copies of the project that benchmarks run whole commands in, and what those have noted."""

import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from comparison import HOME
from ruamel.yaml import YAML

PARTS = ".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "prefect.toml", "models", "pipeline", "flows", "presets"


def copy(folder: Path, preset: str, **changes: Any) -> Path:
    """A project in a folder of its own, with nothing made yet, and a preset as params.yaml, in which keys are changed."""
    for part in PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (HOME / part).is_dir() else shutil.copy)(HOME / part, target)
    shutil.copy(HOME / "presets" / f"{preset}.yaml", folder / "params.yaml")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    edit(folder, **changes)
    return folder


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of params.yaml: of a section those that are named, else the value; what is None stays as it is."""
    yaml, path = YAML(), folder / "params.yaml"
    params = yaml.load(path)
    for key, value in changes.items():
        if isinstance(value, dict):
            params[key] |= value
        elif value is not None:
            params[key] = value
    yaml.dump(params, path)


def timed(command: list[str], folder: Path) -> float:
    """The seconds of a command that must succeed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def timings(folder: Path) -> list[list[dict[str, Any]]]:
    """What each chain has noted."""
    files = folder.glob("runs/*/*/seed*/timings.jsonl")
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def notes(folder: Path) -> list[dict[str, Any]]:
    """What has been noted at all, the experiment's own beside the chains'."""
    return [json.loads(line) for file in (folder / "runs").rglob("timings.jsonl") for line in file.read_text().splitlines()]


def outputs(folder: Path) -> dict[str, str]:
    """The hash of every generation's samples."""
    files = sorted((folder / "runs").glob("*/*/seed*/g*/synthetic.npy"))
    return {str(file.relative_to(folder)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}

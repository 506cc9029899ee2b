"""The program's own files as an input of every generation: one list of their digests in place of two dozen dependencies.

DVC reads, compares and writes down every dependency of every generation. The stage `code` of the root's dvc.yaml makes it.
"""

import hashlib
from pathlib import Path

from pipeline.files import write_text
from pipeline.layout import Layout

CODE = (
    "models",
    "pipeline/chains.py",
    "pipeline/checkpoints.py",
    "pipeline/compute.py",
    "pipeline/datasets.py",
    "pipeline/files.py",
    "pipeline/generation.py",
    "pipeline/hooks.py",
    "pipeline/job.py",
    "pipeline/machine.py",
    "pipeline/mapping.py",
    "pipeline/measures/evaluation.py",
    "pipeline/measures/features.py",
    "pipeline/measures/kernel.py",
    "pipeline/measures/metrics.py",
    "pipeline/measures/neighbours.py",
    "pipeline/measures/sliced.py",
    "pipeline/loops.py",
    "pipeline/params.py",
    "pipeline/pictures.py",
    "pipeline/sections.py",
    "pipeline/seeds.py",
    "pipeline/steps.py",
    "pipeline/strategies.py",
)
"""The files and folders that decide a generation's bytes."""


def listing() -> str:
    """The digest and path of each file, a line each, as md5sum writes them."""
    paths = [file for path in map(Path, CODE) for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]
    return "".join(f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path}\n" for path in paths)


def write_listing(layout: Layout) -> None:
    """Write the list where generations depend on it."""
    write_text(layout.code, listing())


def is_current(layout: Layout) -> bool:
    """Whether the list that generations depend on is that of today's files."""
    return layout.code.exists() and layout.code.read_text(encoding="utf-8") == listing()

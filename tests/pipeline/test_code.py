"""The program's files as an input of every generation."""

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.code import CODE, listing

NO_BYTES = "__init__", "__main__", "clock", "code", "errors", "extensions", "layout", "ownership"
"""Modules that a generation imports and that decide nothing of its bytes."""


def test_dvc_watches_the_files_that_are_listed():
    assert YAML(typ="safe").load(Path("dvc.yaml"))["stages"]["code"]["deps"] == list(CODE)
    assert {line.split("  ")[1] for line in listing().splitlines()} >= {"models/sampler.py", "pipeline/steps.py"}


def test_every_module_that_a_generation_imports_is_listed():
    program = "import sys, pipeline.generation; print(*(name for name in sys.modules if name.startswith('pipeline.')))"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    modules = {name.removeprefix("pipeline.").replace(".", "/") for name in said.split()}
    listed = {path.removeprefix("pipeline/").removesuffix(".py") for path in CODE}
    assert modules - listed - set(NO_BYTES) - {"measures"} == set()

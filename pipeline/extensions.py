"""Python files of the user's own, named in params.yaml by `extensions`: they add loops, strategies, steps and hooks.

They are loaded before params.yaml is checked, in every process, and are dependencies of every generation.
"""

import hashlib
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.errors import BadInput, in_a_line

PATTERN = r"^(\./)?(\w[\w.-]*/)*\w[\w.-]*\.py$"
Extension = Annotated[str, Field(pattern=PATTERN)]
"""A Python file's path in the project."""


_loaded: dict[str, str] = {}
"""The digest of each file as this process has run it."""


def changed(paths: list[str], root: Path) -> str | None:
    """The first of the files that is no longer what this process has run, if any."""
    return next((path for path in paths if path in _loaded and _digest(root / path) != _loaded[path]), None)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def extend(paths: Any, root: Path) -> None:
    """Run the files, each once a process. Raises BadInput for one that is not there or fails; what is no list is left alone."""
    for path in paths if isinstance(paths, list) else []:
        name = f"self_consuming_extension.{path}"
        if name in sys.modules or not isinstance(path, str) or not re.match(PATTERN, path):
            continue  # what is no path in the project is refused with the rest of params.yaml, and not run before
        spec = spec_from_file_location(name, root / path)
        if spec is None or spec.loader is None or not (root / path).is_file():
            raise BadInput(f"extensions: {path!r} is not allowed: there is no such file in the project")
        _loaded[path] = _digest(root / path)
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise BadInput(f"extensions: {path} fails: {type(error).__name__}: {in_a_line(error)}") from None

"""YAML files that hold keys and values: params and studies."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.experiment.errors import BadInput, in_a_line


def read_mapping(path: Path) -> dict[str, Any]:
    """Read one. Raises BadInput, in one line, for what is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            content = YAML(typ="safe", pure=True).load(file)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file in {Path.cwd()}; run it from the project's root") from None
    except Exception as error:  # odd tags make ruamel raise whatever they break
        raise BadInput(f"{path}: cannot be read as YAML: {in_a_line(error)}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: must hold keys and values, got {type(content).__name__}")
    return content

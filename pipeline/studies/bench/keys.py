"""Other values at dotted keys of a preset: a study's changes, and the places of points whose axes are such keys."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from pipeline.experiment.errors import BadInput


def change(raw: dict[str, Any], name: str, value: Any, preset: Path) -> None:
    """Set the value at a dotted key. Raises BadInput, which begins with the key, where a part of it is no section."""
    *parents, last = name.split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise BadInput(f"{name}: {parent} in {preset} is no section")
    section[last] = deepcopy(value)

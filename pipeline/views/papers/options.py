"""What the commands for papers are told: widths with their units, and the formats of files."""

import math
import re
from collections.abc import Sequence

from pipeline.experiment.errors import BadInput

INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Of a unit; pt is TeX's point, as in \\the\\columnwidth."""
LEAST, MOST = 1.0, 20.0


def inches(width: str) -> float:
    """A width such as 3.3in, 8.4cm, 84mm or 240pt, in inches. Raises BadInput."""
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(in|cm|mm|pt)\s*", width)
    value = float(found[1]) * INCHES[found[2]] if found else math.nan
    if not LEAST <= value <= MOST:
        raise BadInput(
            f"--width: {width!r} is not allowed: it must be a number with in, cm, mm or pt, as in 3.3in or 84mm,"
            f" from {LEAST:g}in to {MOST:g}in"
        )
    return value


def formats(given: str, allowed: Sequence[str]) -> list[str]:
    """Those of a list with commas, each once. Raises BadInput."""
    wanted = list(dict.fromkeys(part.strip() for part in given.split(",")))
    if unknown := [part for part in wanted if part not in allowed]:
        raise BadInput(f"--format: {unknown[0]!r} is not allowed: one or more of {','.join(allowed)}")
    return wanted

"""The page of a comparison, and its table: rebuilt from the results that are there, and nothing else is touched."""

import base64
import json
import re
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.storage.files import write_bytes, write_text
from pipeline.views.compare.comparison import Comparison, answer, compared, differences, verdicts
from pipeline.views.compare.curves import charts, picture
from pipeline.views.compare.sides import sides_of
from pipeline.views.report.charts import library
from pipeline.views.report.numerals import figure_text
from pipeline.views.report.report import ROOM

COMPARISONS = Path("reports") / "compare"
"""A folder for each comparison."""
LONGEST = 120
"""Characters of such a folder's name."""


def build(names: Sequence[str]) -> tuple[Path, Comparison]:
    """Write report.html, compare.csv and compare.png of experiments, folders, DVC experiments or git revisions.

    Gives the page's path, and what is on it. Raises BadInput for a name of nothing, with what there is.
    """
    comparison = compared(sides_of(names))
    folder = COMPARISONS / folder_of([side.label for side in comparison.sides])
    drawn = picture(comparison)
    write_text(folder / "compare.csv", comparison.rows.to_csv(index=False, lineterminator="\n"))
    write_bytes(folder / "compare.png", drawn)
    write_text(folder / "report.html", _page(comparison, drawn, names))
    return folder / "report.html", comparison


def folder_of(labels: Sequence[str]) -> str:
    """A folder's name, of the labels; a hash is the end of one that would be too long."""
    name = "-vs-".join(re.sub(r"[^\w.-]+", "-", label).strip("-.") or "here" for label in labels)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{md5(name.encode(), usedforsecurity=False).hexdigest()[:8]}"


def _page(comparison: Comparison, drawn: bytes, names: Sequence[str]) -> str:
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"figure": figure_text, "value": _value}
    differing = differences(comparison.sides)
    page: str = environment.get_template("compare.html").render(
        names=names,
        title=", ".join(side.label for side in comparison.sides),
        sides=comparison.sides,
        answer=answer(comparison),
        warnings=[*comparison.left_out.values(), *comparison.notes],
        charts=charts(comparison),
        differing=[(key, list(row)) for key, row in zip(differing.index, differing.to_numpy())],
        verdicts=verdicts(comparison),
        picture=base64.b64encode(drawn).decode(),
        samples={side.label: base64.b64encode(side.samples).decode() for side in comparison.sides if side.samples},
        library=Markup(library()),
        script=Markup((ROOM / "report.js").read_text(encoding="utf-8")),
        style=Markup((ROOM / "report.css").read_text(encoding="utf-8")),
    )
    return page


def _value(value: Any) -> str:
    """A param's value as params.yaml could have it; nothing where it is not given."""
    return value if isinstance(value, str) else json.dumps(value, default=str)

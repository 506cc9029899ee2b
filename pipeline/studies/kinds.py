"""The kinds of studies. Adding one: a file with `point`, `summary` and `plot`, and its name here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.errors import BadInput
from pipeline.studies import control, improvement, pollution, prophylaxis
from pipeline.studies.study import Point, Study, Summary


@dataclass(frozen=True)
class Kind:
    """How a point is made, and what is said and shown of (settings, the rows of all points)."""

    point: Point
    summary: Callable[[dict[str, Any], pd.DataFrame], Summary]
    plot: Callable[[dict[str, Any], pd.DataFrame], Figure]


KINDS = {
    "improvement": Kind(improvement.point, improvement.summary, improvement.plot),
    "prophylaxis": Kind(prophylaxis.point, prophylaxis.summary, prophylaxis.plot),
    "pollution": Kind(pollution.point, pollution.summary, pollution.plot),
    "control": Kind(control.point, control.summary, control.plot),
}


def kind_of(study: Study) -> Kind:
    """The study's kind. Raises BadInput."""
    if study.file.kind not in KINDS:
        raise BadInput(f"{study.folder / 'params.yaml'}: kind: {study.file.kind!r} is not allowed: one of {', '.join(KINDS)}")
    return KINDS[study.file.kind]

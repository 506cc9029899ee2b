"""The kinds of studies. Adding one: a file with `point`, `summary` and `plot`, and its name here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import ValidationError

from pipeline.errors import BadInput
from pipeline.sections import Section
from pipeline.studies import control, improvement, pollution, prophylaxis
from pipeline.studies.study import Point, Study, Summary, wrong


@dataclass(frozen=True)
class Kind:
    """A kind of study: its axes and settings, how a point is made, what is said and shown of (settings, all points' rows)."""

    axes: tuple[str, ...]
    settings: type[Section]
    point: Point
    summary: Callable[[Any, pd.DataFrame], Summary]
    plot: Callable[[Any, pd.DataFrame], Figure]


KINDS = {
    "improvement": Kind(("seed", "n"), improvement.Settings, improvement.point, improvement.summary, improvement.plot),
    "prophylaxis": Kind(("arm", "seed"), prophylaxis.Settings, prophylaxis.point, prophylaxis.summary, prophylaxis.plot),
    "pollution": Kind(("seed", "share"), pollution.Settings, pollution.point, pollution.summary, pollution.plot),
    "control": Kind(("seed", "target"), control.Settings, control.point, control.summary, control.plot),
}


def kind_of(study: Study) -> tuple[Kind, Any]:
    """The study's kind, and its settings. Raises BadInput."""
    path, kind = study.folder / "params.yaml", KINDS.get(study.file.kind)
    if kind is None:
        raise BadInput(f"{path}: kind: {study.file.kind!r} is not allowed: one of {', '.join(KINDS)}")
    if tuple(study.file.axes) != kind.axes:
        raise BadInput(f"{path}: axes: {', '.join(study.file.axes)} is not allowed: they must be {', '.join(kind.axes)}")
    try:
        return kind, kind.settings.model_validate(study.file.settings)
    except ValidationError as error:
        raise wrong(path, error, "settings.") from None

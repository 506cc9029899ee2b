"""What a kind of study is, and a study's kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import TypeAdapter, ValidationError

from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import STUDIES, Section
from pipeline.experiment.params import Params
from pipeline.studies.bench.study import Point, Study, Summary, wrong


@dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
        axes: the study's axes, in their order, with the type of their values.
        settings: what its file must set.
        point: makes one point.
        summary: what is said of (settings, all points' rows).
        plot: what is shown of them.
        check: raises ValueError where settings, params and axes do not fit together.
    """

    axes: dict[str, Any]
    settings: type[Section]
    point: Point
    summary: Callable[[Any, pd.DataFrame], Summary]
    plot: Callable[[Any, pd.DataFrame], Figure]
    check: Callable[[Any, Params, dict[str, list[Any]]], None] = lambda settings, params, axes: None


def kind_of(study: Study) -> tuple[Kind, Any]:
    """The study's kind, and its settings. Raises BadInput."""
    path = study.folder / "params.yaml"
    if study.file.kind not in STUDIES:
        raise BadInput(f"{path}: kind: {study.file.kind!r} is not allowed: one of {', '.join(STUDIES)}")
    kind: Kind = STUDIES[study.file.kind]
    if list(study.file.axes) != list(kind.axes):
        raise BadInput(f"{path}: axes: {', '.join(study.file.axes)} is not allowed: they must be {', '.join(kind.axes)}")
    for axis, kind_of_value in kind.axes.items():
        for place, value in enumerate(study.file.axes[axis]):
            try:
                TypeAdapter(kind_of_value).validate_python(value, strict=True)
            except ValidationError as error:
                raise wrong(path, error, f"axes.{axis}.{place}") from None
    try:
        settings = kind.settings.model_validate(study.file.settings)
    except ValidationError as error:
        raise wrong(path, error, "settings.", kind.settings.model_fields) from None
    try:
        kind.check(settings, study.params(0), study.file.axes)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None
    return kind, settings

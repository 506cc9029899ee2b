"""What a kind of study is, and a study's kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import ValidationError

from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import STUDIES, Section
from pipeline.experiment.params import Params
from pipeline.storage.layout import PARAMS
from pipeline.studies.bench.axes import part
from pipeline.studies.bench.study import Point, Study, Summary, wrong
from pipeline.studies.free import check_axes, check_values


@dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
        axes: the study's axes, in their order, with the type of their values; None where they are keys of params.yaml,
            whichever the study's file names, and what is at them is checked as params are.
        settings: what its file must set.
        point: makes one point.
        summary: what is said of (settings, all points' rows).
        plot: what is shown of them.
        check: raises ValueError where settings, params and axes do not fit together.
        page_settings: the settings that no point reads, so that points stay current where these change.
    """

    axes: dict[str, Any] | None
    settings: type[Section]
    point: Point
    summary: Callable[[Any, pd.DataFrame], Summary]
    plot: Callable[[Any, pd.DataFrame], Figure]
    check: Callable[[Any, Params, dict[str, list[Any]]], None] = lambda settings, params, axes: None
    page_settings: frozenset[str] = frozenset()


def kind_of(study: Study) -> tuple[Kind, Any]:
    """The study's kind, and its settings. Raises BadInput."""
    path = study.folder / PARAMS
    if study.file.kind not in STUDIES:
        raise BadInput(f"{path}: kind: {study.file.kind!r} is not allowed: one of {', '.join(STUDIES)}")
    kind: Kind = STUDIES[study.file.kind]
    if kind.axes is None:
        check_axes(study)
    else:
        _check_given(study, kind.axes)
    _check_distinct(study)
    try:
        settings = kind.settings.model_validate(study.file.settings)
    except ValidationError as error:
        raise wrong(path, error, "settings.", kind.settings.model_fields) from None
    try:
        kind.check(settings, study.params(0), study.file.axes)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None
    return kind, settings


def _check_given(study: Study, axes: dict[str, Any]) -> None:
    """Raise BadInput unless the file's axes are those that the kind names, with values of their types."""
    path = study.folder / PARAMS
    if list(study.file.axes) != list(axes):
        raise BadInput(f"{path}: axes: {', '.join(study.file.axes)} is not allowed: they must be {', '.join(axes)}")
    for axis, kind_of_value in axes.items():
        check_values(study, axis, kind_of_value)


def _check_distinct(study: Study) -> None:
    """Raise BadInput where an axis has a value twice, or two that have the same name."""
    for axis, values in study.file.axes.items():
        names = [part(value) for value in values]
        if twice := [value for place, value in enumerate(values) if names[place] in names[:place]]:
            raise BadInput(f"{study.folder / PARAMS}: axes.{axis}: {twice[0]!r} is not allowed: it is there twice")

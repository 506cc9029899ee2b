"""Axes that are keys of params.yaml, whichever the study's file names: they are checked before anything is made."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.experiment.errors import BadInput
from pipeline.experiment.sections import Seed
from pipeline.storage.layout import PARAMS
from pipeline.studies.bench.axes import words
from pipeline.studies.bench.study import Study, wrong

REFUSED = {
    "seeds": "a point has one seed, that of the axis seed",
    "experiment": "it is a name, and changes no number",
    "extensions": "they are the study's, by its preset or its changes",
    "remote": "points are not pushed",
    "evaluation.extractor": "distances by different extractors cannot be compared",
}
"""Keys that no axis may have, and why."""


def check_values(study: Study, axis: str, kind_of_value: Any) -> None:
    """Raise BadInput where a value of the axis is not of that type."""
    for place, value in enumerate(study.file.axes[axis]):
        try:
            TypeAdapter(kind_of_value).validate_python(value, strict=True)
        except ValidationError as error:
            raise wrong(study.folder / PARAMS, error, f"axes.{axis}.{place}") from None


def check_axes(study: Study) -> None:
    """Raise BadInput where a key is not allowed, or a value of it, with the first value of each of the other axes.

    What does not fit together elsewhere, the recipe finds, which looks at every point.
    """
    path, axes = study.folder / PARAMS, study.file.axes
    if list(axes) == ["seed"]:
        raise BadInput(f"{path}: axes: seed alone is not allowed: name a key of params.yaml beside it")
    if "seed" in axes:
        check_values(study, "seed", Seed)
    arms = study.params(0).raw["arms"]
    for axis in axes:
        if refused := next((key for key in REFUSED if axis == key or axis.startswith(f"{key}.")), None):
            raise BadInput(f"{path}: axes.{axis}: is not allowed: {REFUSED[refused]}")
        section, _, rest = axis.partition(".")
        arm, _, key = rest.partition(".")
        if section == "arms" and key == "seeds":
            raise BadInput(f"{path}: axes.{axis}: is not allowed: {REFUSED['seeds']}")
        if section == "arms" and key and arm not in arms:
            raise BadInput(f"{path}: axes.{axis}: there is no arm {arm!r}; allowed are {', '.join(arms)}")
        if within := next((other for other in axes if axis.startswith(f"{other}.")), None):
            raise BadInput(f"{path}: axes.{axis}: is not allowed beside axes.{within}, which it is a part of")
    first = {axis: values[0] for axis, values in axes.items() if axis != "seed"}
    for axis in first:
        for value in axes[axis]:
            _check(study, axis, first | {axis: value})


def _check(study: Study, axis: str, values: dict[str, Any]) -> None:
    """Raise BadInput where the params with these values are not allowed, which names the axis where it is that one's fault."""
    try:
        study.params(0, values)
    except BadInput as error:
        said = study.without_source(error)
        if said.startswith(axis):
            raise BadInput(f"{study.folder / PARAMS}: axes.{said}") from None
        raise BadInput(f"{study.folder / PARAMS}: axes.{axis}: {words(values[axis])} is not allowed: {said}") from None

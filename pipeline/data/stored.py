"""The real data of an experiment as they are stored: once for a finite set, for each seed for points of a known truth."""

from pathlib import Path
from typing import Any

from pipeline.data.arrays import labels_of, read_samples
from pipeline.data.finite import Finite
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.experiment.params import Params
from pipeline.storage.files import read_json
from pipeline.storage.layout import Layout

TRAINING, SELECTION, REFERENCE, FACTS = "training", "selection", "reference", "data.json"
"""The parts of a finite set, and what there is to say of them."""


def part(params: Params, name: str) -> Path:
    """The file of a part of a finite set."""
    return Layout(params.experiment).data / f"{name}.npy"


def real(params: Params, seed: int) -> Path:
    """The file of a seed's real training set."""
    return Layout(params.experiment).real(seed) if params.data.has_truth else part(params, TRAINING)


def held_out(params: Params, seed: int) -> Path:
    """The file of the real samples of a seed that nothing is trained on or reported by: what guidance is chosen by."""
    return Layout(params.experiment).held_out(seed) if params.data.has_truth else part(params, SELECTION)


def with_labels(params: Params, path: Path) -> list[Path]:
    """A file of real samples, and that of their labels where the data set has any."""
    return [path, labels_of(path)] if params.data.has_labels else [path]


def parts(params: Params) -> list[str]:
    """The parts that a finite set has."""
    return [TRAINING, *([SELECTION] if params.evaluation.selection else []), REFERENCE]


def stored(params: Params) -> Points | Finite:
    """The truth of points, or a finite set's parts as memory maps."""
    if params.data.has_truth:
        return dataset(params)
    found = {name: read_samples(part(params, name)) for name in parts(params)}
    return Finite.of_parts(found[TRAINING], found.get(SELECTION, found[REFERENCE][:0]), found[REFERENCE])


def facts_file(params: Params) -> Path:
    """The file of what there is to say of a finite set."""
    return Layout(params.experiment).data / FACTS


def facts(params: Params) -> dict[str, Any]:
    """What there is to say of a finite set: counts, shape, classes, spread and digests of its parts."""
    found: dict[str, Any] = read_json(facts_file(params))
    return found

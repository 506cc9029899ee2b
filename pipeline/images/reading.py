"""A set of images as it is read: lazily, of the wanted size and channels, with labels."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.lazy import lazy
from pipeline.data.samples import Array, Labelled, Labels
from pipeline.experiment.errors import BadInput
from pipeline.images.archive import Archive
from pipeline.images.arrays import read_npy, read_npz
from pipeline.images.pixels import Wanted, opened, pixels
from pipeline.images.settings import ImageSettings


def read(path: Path, settings: ImageSettings, known: Sequence[str] | None = None) -> tuple[Labelled, list[str] | None]:
    """The images of a folder, a zip, an .npy or an .npz, and the names of the classes' folders, where these give the labels.

    They are numbered as `known` has them. Labels are looked for where they are asked for. Raises BadInput.
    """
    asked = settings.has_labels or settings.classes is not None
    if path.suffix.lower() in (".npy", ".npz") and path.is_file():
        values, labels = read_npy(path) if path.suffix.lower() == ".npy" else read_npz(path)
        return of_arrays(values, labels if asked else None, settings, str(path)), None
    archive, wanted = Archive(path), Wanted.of(settings)
    first = pixels(opened(archive.read(archive.names[0]), archive.names[0]), wanted, archive.names[0])

    def image(place: int) -> NDArray[np.uint8]:
        name = archive.names[place]
        given = pixels(opened(archive.read(name), name), wanted, name)
        if given.shape != first.shape:
            raise BadInput(_mixed(name, given.shape, archive.names[0], first.shape))
        return given

    labels, folders = archive.labels(known) if asked else (None, None)
    return Labelled(lazy(lambda places: _stacked(image, places, first.shape), len(archive.names), first.shape), labels), folders


def of_arrays(values: Array, labels: Labels | None, settings: ImageSettings, what: str) -> Labelled:
    """Images [N, C, H, W] that lie in memory or in a map, brought to the wanted size and channels as they are read."""
    if labels is not None and len(labels) != len(values):
        raise BadInput(f"data: {what} has {len(values)} images and {len(labels)} labels")
    wanted = Wanted.of(settings)

    def as_given(places: NDArray[np.int64]) -> Array:
        return np.ascontiguousarray(values[places])

    def image(place: int) -> NDArray[np.uint8]:
        given = values[place]
        picture = Image.fromarray(given[0] if len(given) == 1 else np.ascontiguousarray(given.transpose(1, 2, 0)))
        return pixels(picture, wanted, f"image {place} of {what}")

    if wanted.is_as_given:
        return Labelled(lazy(as_given, len(values), values.shape[1:]), labels)
    shape = image(0).shape
    return Labelled(lazy(lambda places: _stacked(image, places, shape), len(values), shape), labels)


def kept(samples: Labelled, settings: ImageSettings, what: str) -> Labelled:
    """Those of the classes that params.yaml names, which are numbered anew. Raises BadInput where there are none."""
    if settings.classes is None:
        return samples
    if samples.labels is None:
        raise BadInput(f"data.classes: {settings.classes} is not allowed: {what} has no labels")
    lacking = sorted(set(settings.classes) - set(np.unique(samples.labels).tolist()))
    if lacking:
        raise BadInput(f"data.classes: {lacking[0]} is not allowed: {what} has none of it")
    order = np.full(int(samples.labels.max()) + 1, -1)
    order[settings.classes] = np.arange(len(settings.classes))
    places = np.flatnonzero(order[samples.labels] >= 0)
    return Labelled(samples.values[places], order[samples.labels[places]])


def _stacked(image: Callable[[int], NDArray[np.uint8]], places: NDArray[np.int64], shape: tuple[int, ...]) -> Array:
    found = np.empty((len(places), *shape), np.uint8)
    for row, place in enumerate(places):
        found[row] = image(int(place))
    return found


def _mixed(name: str, shape: tuple[int, ...], first: str, of_first: tuple[int, ...]) -> str:
    if shape[0] != of_first[0]:
        kinds = {1: "grey", 3: "RGB"}
        return f"data: {name} is {kinds[shape[0]]}, {first} is {kinds[of_first[0]]}: channels: grey or rgb makes them alike"
    sizes = [f"{width} x {height}" for _, height, width in (shape, of_first)]
    return f"data: {name} is {sizes[0]}, {first} is {sizes[1]}: size (and crop) makes them alike"

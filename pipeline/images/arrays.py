"""Images in NumPy's files: uint8 arrays [N, H, W], [N, H, W, C] or [N, C, H, W]."""

import zipfile
from pathlib import Path

import numpy as np

from pipeline.data.arrays import mapped
from pipeline.data.samples import Array, Labels
from pipeline.experiment.errors import BadInput, RunFailed, in_a_line
from pipeline.images.settings import MOST_CLASSES

IMAGES = "images", "arr_0", "x", "data"
LABELS = "labels", "y"
"""Names of the arrays in an .npz; the labels of NAME.npy are in NAME-labels.npy."""


def read_npy(path: Path) -> tuple[Array, Labels | None]:
    """Images [N, C, H, W] as a memory map, and their labels, where there are any."""
    labels = labels_beside(path)
    return _as_images(_mapped(path), path), _as_labels(_mapped(labels), labels) if labels.exists() else None


def labels_beside(path: Path) -> Path:
    """Where the labels of NAME.npy lie."""
    return path.with_name(f"{path.stem}-labels.npy")


def read_npz(path: Path) -> tuple[Array, Labels | None]:
    """The same of an .npz; its images are mapped, too, where they are not compressed."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            images = next((name for name in IMAGES if name in names), None)
            if images is None:
                raise BadInput(f"data: {path} has {', '.join(sorted(names))} but none of {', '.join(IMAGES)}")
            labels = next((name for name in LABELS if name in names), None)
            given = None if labels is None else _as_labels(np.asarray(file[labels]), path)
            found = _mapped_within(path, f"{images}.npy")
            values = np.asarray(file[images] if found is None else found)
    except BadInput:
        raise
    except Exception as error:  # zip, zlib and NumPy's headers can fail in any way
        raise BadInput(f"data: {path} is no readable .npz: {in_a_line(error)}") from None
    return _as_images(values, path), given


def _mapped_within(path: Path, member: str) -> Array | None:
    """An array of an .npz as a memory map, where it is not compressed."""
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(member)
        if entry.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            inside = file.tell()
    if fortran or dtype.hasobject:
        return None
    with path.open("rb") as raw:
        raw.seek(entry.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
    offset = entry.header_offset + 30 + int(lengths.sum()) + inside
    return np.memmap(path, dtype, "r", offset, shape)


def _mapped(path: Path) -> Array:
    try:
        return mapped(path)
    except RunFailed as error:
        raise BadInput(f"data: {error}") from None


def _as_labels(values: Array, path: Path) -> Labels:
    """[N] of [N] or [N, 1]. Raises BadInput for what are no class numbers."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise BadInput(f"data: the labels in {path} are {values.dtype} {list(values.shape)}: whole numbers from 0, [N]")
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < MOST_CLASSES:
        said = f"from {values.min()} to {values.max()}: class numbers are from 0 to {MOST_CLASSES - 1}"
        raise BadInput(f"data: the labels in {path} are {said}")
    return np.array(values, dtype=np.int64)


def _as_images(values: Array, path: Path) -> Array:
    """[N, C, H, W], without a copy."""
    if values.dtype != np.uint8 or values.ndim not in (3, 4) or not values.size:
        raise BadInput(f"data: {path} has {values.dtype} {list(values.shape)}: uint8 [N, H, W], [N, H, W, C] or [N, C, H, W]")
    if values.ndim == 3:
        return values[:, None]
    if values.shape[3] in (1, 3):
        return values.transpose(0, 3, 1, 2)
    if values.shape[1] in (1, 3):
        return values
    raise BadInput(f"data: {path} has {list(values.shape)}: images have 1 or 3 channels")

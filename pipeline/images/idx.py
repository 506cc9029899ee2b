"""MNIST's and Fashion-MNIST's files: IDX, gzipped or plain (LeCun et al. 1998)."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from pipeline.data.samples import Array, Labels
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.images.archive import stays_within

PARTS = {"training": "train", "test": "t10k"}
UINT8 = 8


def read(root: Path, part: str, what: str) -> tuple[Array, Labels]:
    """Images uint8 [N, 1, H, W] and labels [N] of a part. Raises BadInput."""
    prefix = PARTS[part]
    images, images_file = _array(root, f"{prefix}-images-idx3-ubyte", 3, what)
    labels, labels_file = _array(root, f"{prefix}-labels-idx1-ubyte", 1, what)
    if len(images) != len(labels):
        raise BadInput(f"data: {images_file} has {len(images)} images, {labels_file} {len(labels)} labels")
    return images[:, None], labels.astype(np.int64)


def _array(root: Path, name: str, rank: int, what: str) -> tuple[Array, Path]:
    usual = [name, name.replace("-idx", ".idx")]  # as they are unpacked by some
    path = next((place for each in usual for place in (root / f"{each}.gz", root / each) if place.is_file()), None)
    if path is None:
        raise BadInput(f"data.root: {root} has no {name}.gz: {what}")
    stays_within(path, root)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"data: {path} is no readable gzip file: {in_a_line(error)}") from None
    if len(raw) < 4 + 4 * rank or raw[:4] != bytes([0, 0, UINT8, rank]):
        raise BadInput(f"data: {path} is no IDX file of {rank} dimensions of uint8")
    shape = np.frombuffer(raw, ">u4", rank, 4).tolist()
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if math.prod(shape) != len(values) or not len(values):
        raise BadInput(f"data: {path} has {len(values)} values instead of {' x '.join(map(str, shape))}")
    return values.reshape(shape), path

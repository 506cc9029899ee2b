"""Storing a finite set: read once, a block at a time, into one memory-mapped array for each part."""

import hashlib
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.arrays import write_stream
from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled
from pipeline.data.stored import FACTS, REFERENCE, SELECTION, TRAINING
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.storage.files import write_json
from pipeline.storage.within import lasting

log = logging.getLogger("self-consuming")
BLOCK = 1 << 26
"""Bytes that are read at once."""


class Reader:
    """Gives the blocks of a part and notes what goes through its hands."""

    def __init__(self, samples: Labelled) -> None:
        self.samples, self.images = samples, list[bytes]()
        self._sha = hashlib.sha256()
        self._sum, self._squares = (np.zeros(samples.values.shape[1:]) for _ in range(2))

    def blocks(self) -> Iterator[Array]:
        """uint8 [B, C, H, W] or float32 [B, D]."""
        values = self.samples.values
        size = max(1, BLOCK // (math.prod(values.shape[1:]) * values.dtype.itemsize))
        with lasting(len(values)) as within:
            for first in range(0, len(values), size):
                block = np.ascontiguousarray(values[first : first + size])
                self._sha.update(block.tobytes())
                self._sum += block.sum(axis=0, dtype=np.float64)
                self._squares += np.square(block, dtype=np.uint16 if block.dtype == np.uint8 else np.float64).sum(
                    axis=0, dtype=np.float64
                )
                self.images += [hashlib.blake2b(image.tobytes(), digest_size=12).digest() for image in block]
                yield block
                within.tell(first + len(block))

    def facts(self) -> dict[str, Any]:
        """Count, shape, digest, standard deviation of a coordinate (images: in [-1, 1]), and how often each class is there."""
        labels = self.samples.labels
        counted = {} if labels is None else {"classes": np.bincount(labels).tolist()}
        shape = list(self.samples.values.shape)
        variance = float((self._squares / shape[0] - np.square(self._sum / shape[0])).mean())
        deviation = math.sqrt(max(variance, 0.0)) / (127.5 if self.samples.values.dtype == np.uint8 else 1.0)
        facts = {"count": shape[0], "shape": shape[1:], "sha256": self._sha.hexdigest(), "standard_deviation": deviation}
        return facts | counted


def store(params: Params, source: Finite, folder: Path) -> None:
    """Write the parts and data.json into a folder. Raises ArithmeticError for a kind that gives something else."""
    wanted = {TRAINING: source.training, REFERENCE: source.reference}
    if params.evaluation.selection:
        wanted[SELECTION] = source.selection
    facts, images = dict[str, Any](), dict[str, list[bytes]]()
    for name, given in wanted.items():
        _check(params, name, given)
        samples = given if params.data.has_labels else Labelled(given.values)  # whose labels nobody has asked for
        reader = Reader(samples)
        write_stream(folder / f"{name}.npy", reader.blocks(), len(samples), samples.labels)
        facts[name], images[name] = reader.facts(), reader.images
    seen = set(images[TRAINING])
    facts["duplicates"] = sum(image in seen for image in images[REFERENCE])
    if facts["duplicates"]:
        of = len(images[REFERENCE])
        log.warning("data: %d of the %d reference images are training images, too", facts["duplicates"], of)
    write_json(folder / FACTS, facts)


def _check(params: Params, name: str, samples: Labelled) -> None:
    values = samples.values
    n = {TRAINING: params.data.n_real, SELECTION: params.evaluation.selection}.get(name, len(values))
    kind = values.dtype, values.ndim
    if len(values) != n or not len(values) or kind not in ((np.uint8, 4), (np.float32, 2)):
        raise ArithmeticError(
            f"data.kind {kind_of(params.data)} gives {values.dtype} {list(values.shape)} for {name} instead of {n}"
            " uint8 images [N, C, H, W] or float32 points [N, D]"
        )
    if params.data.has_labels and samples.labels is None:
        raise ArithmeticError(f"data.kind {kind_of(params.data)} gives no labels for {name}, though its settings promise some")

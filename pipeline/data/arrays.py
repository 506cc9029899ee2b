"""Samples in files: `NAME.npy`, and beside it `NAME-labels.npy` where they have labels. Read as memory maps."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.data.samples import Array, Labelled, Labels
from pipeline.experiment.errors import RunFailed, in_a_line
from pipeline.storage.files import appearing_whole, write_array


def labels_of(path: Path) -> Path:
    """The file of the labels of the samples in a file."""
    return path.with_name(f"{path.stem}-labels.npy")


def read_samples(path: Path) -> Labelled:
    """Samples whose values are read when they are looked at. Raises RunFailed for a damaged file, and OSError."""
    labels = labels_of(path)
    return Labelled(mapped(path), np.array(mapped(labels), dtype=np.int64) if labels.exists() else None)


def mapped(path: Path) -> Array:
    """An .npy file as a read-only memory map. Raises RunFailed for a damaged file, and for one that would need a pickle."""
    try:
        array: Array = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python's literals, which can fail in any way
        raise RunFailed(f"{path} is no valid array file: {in_a_line(error)}") from None
    return array


def write_samples(path: Path, samples: Labelled) -> None:
    """Write samples, and their labels where they have any, each file atomically."""
    write_stream(path, [samples.values], len(samples), samples.labels)


def write_stream(path: Path, blocks: Iterable[Array], n: int, labels: Labels | None = None) -> None:
    """Write n samples that come in blocks [B, ...] of one kind, of which one is held at a time. The files appear whole."""
    with appearing_whole(path) as file:
        begun = False
        for block in blocks:
            if not begun:
                header = {"descr": np.lib.format.dtype_to_descr(block.dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(file, header | {"shape": (n, *block.shape[1:])})
                begun = True
            file.write(np.ascontiguousarray(block).data)
    if labels is not None:
        write_array(labels_of(path), labels)

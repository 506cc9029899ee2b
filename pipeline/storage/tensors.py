"""Safetensors files without torch: what is in one, and writing one a tensor at a time, so that it need not fit into memory."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pipeline.storage.files import appearing_whole

ALIGNMENT = 8
"""Numbers begin at a multiple of so many bytes."""


class Entry(NamedTuple):
    """One tensor: safetensors' name of its type, its shape, and where in the file its numbers are."""

    kind: str
    shape: tuple[int, ...]
    start: int
    length: int


class Header(NamedTuple):
    """What a safetensors file says of itself."""

    metadata: dict[str, str]
    entries: dict[str, Entry]


def read_header(path: Path) -> Header:
    """What is in a safetensors file. Raises SafetensorError for one that is damaged, or none."""
    with safe_open(path, framework="numpy"):  # which checks it
        pass
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        content = json.loads(file.read(length))
    metadata = content.pop("__metadata__", None) or {}
    return Header(metadata, {name: _entry(said, 8 + length) for name, said in content.items()})


def _entry(said: dict[str, list[int]], beginning: int) -> Entry:
    start, end = said["data_offsets"]
    return Entry(str(said["dtype"]), tuple(said["shape"]), beginning + start, end - start)


def write_tensors(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], NDArray[np.float32]],
    metadata: Mapping[str, str],
) -> None:
    """Write float32 tensors, which are asked for by name, one after another; atomically."""
    names, place = sorted(shapes), 0
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    for name in names:
        end = place + 4 * math.prod(shapes[name])
        header[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [place, end]}
        place = end
    said = json.dumps(header, separators=(",", ":")).encode()
    said += b" " * (-len(said) % ALIGNMENT)
    with appearing_whole(path) as file:
        file.write(len(said).to_bytes(8, "little") + said)
        for name in names:
            numbers = read(name)
            if numbers.shape != shapes[name]:
                raise ValueError(f"{name} has shape {list(numbers.shape)}, not {list(shapes[name])}")
            file.write(numbers.astype("<f4", order="C", copy=False).reshape(-1).data)


__all__ = ["Entry", "Header", "SafetensorError", "read_header", "write_tensors"]

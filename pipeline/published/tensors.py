"""Tensors of a published file, which stay in it until they are wanted, one at a time."""

import math
import struct
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.published.storages import KINDS, Storage
from pipeline.published.window import Refused, Span, Window

MOST_DIMENSIONS = 8


class Tensor(NamedTuple):
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def read(self, file: IO[bytes]) -> NDArray[np.float32]:
        """Its numbers as float32, contiguous. Raises Refused for what is no floating-point number."""
        kind = self.storage.kind
        size, name = KINDS[kind]
        if name is None:
            raise Refused(f"it has weights in a {kind}Storage, which has no floating-point numbers")
        file.seek(self.storage.start + self.offset * size)
        raw = file.read(_extent(self.shape, self.stride) * size)
        numbers = np.frombuffer(raw, name)
        if self.stride != contiguous(self.shape):
            steps = [step * size for step in self.stride]
            numbers = np.lib.stride_tricks.as_strided(numbers, self.shape, steps, writeable=False)
        if kind == "BFloat16":
            return (numbers.astype("<u4") << 16).view("<f4").reshape(self.shape)
        return numbers.reshape(self.shape).astype("<f4", order="C", copy=False)


def rebuilt(arguments: tuple[Any, ...], window: Window) -> Tensor:
    """A tensor: storage, offset, size and stride. Raises Refused where it is beyond its storage."""
    storage, offset, shape, stride = arguments[:4]
    shape, stride = _numbers(shape), _numbers(stride)
    if not isinstance(storage, Storage) or not isinstance(offset, int) or len(shape) != len(stride):
        raise TypeError
    if len(shape) > MOST_DIMENSIONS or min((offset, *shape, *stride)) < 0:
        raise Refused(f"it has a tensor of shape {list(shape)[:9]} and stride {list(stride)[:9]}")
    tensor = Tensor(storage, offset, shape, stride)
    if tensor.numel > storage.numel or offset + _extent(shape, stride) > storage.numel:
        raise Refused(f"it has a tensor of shape {list(shape)} in a storage of {storage.numel} numbers")
    return tensor


def numpy_scalar(arguments: tuple[Any, ...], window: Window) -> float | int:
    """A number of NumPy's: its type, of which only the name counts, and its bytes."""
    kind, span = arguments
    code = kind.arguments[0]
    if code not in ("f2", "f4", "f8", "i4", "i8", "u1", "b1") or not isinstance(span, Span) or span.length != int(code[1]):
        raise Refused("it has a number of NumPy's of a strange kind")
    raw = window.part(span).read(span.length)
    window.resume()
    letter = {"f2": "e", "f4": "f", "f8": "d", "i4": "i", "i8": "q", "u1": "B", "b1": "?"}[code]
    number: float | int = struct.unpack(f"<{letter}", raw)[0]
    return number


def _numbers(given: Any) -> tuple[int, ...]:
    if type(given) is not tuple or not all(isinstance(each, int) for each in given):
        raise TypeError
    return given


def _extent(shape: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """How many numbers lie from a view's first to its last."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, stride)) if all(shape) else 0


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie one after another."""
    return tuple(math.prod(shape[index + 1 :]) for index in range(len(shape)))

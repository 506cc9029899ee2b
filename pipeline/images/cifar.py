"""CIFAR-10 in its published forms: the python version, the binary version, or a tar.gz of either."""

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array, Labels
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.images.archive import stays_within

GZIP = b"\x1f\x8b"
ROW = 1 + 3 * 32 * 32
"""Bytes of an image in the binary version: its label, then the planes of red, green and blue."""
FORMS = {
    "python": ([f"data_batch_{number}" for number in range(1, 6)], ["test_batch"]),
    "binary": ([f"data_batch_{number}.bin" for number in range(1, 6)], ["test_batch.bin"]),
}
WHAT = (
    "CIFAR-10's python version (cifar-10-python.tar.gz, or cifar-10-batches-py unpacked) or binary version"
    " (cifar-10-binary.tar.gz, cifar-10-batches-bin), from https://www.cs.toronto.edu/~kriz/cifar.html"
)
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy.core.numeric", "_frombuffer"): np._core.numeric._frombuffer,  # type: ignore[attr-defined]
    ("numpy._core.numeric", "_frombuffer"): np._core.numeric._frombuffer,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1"),
    ("__builtin__", "bytes"): lambda: b"",  # so protocol 2 writes an empty text
}
"""All that the published pickles name, and those of NumPy today; nothing else is looked up, and none of these can do harm."""


class Reader(pickle.Unpickler):
    """Reads a pickle of arrays, lists and texts, and refuses whatever else it names."""

    def find_class(self, module: str, name: str) -> Any:
        """One of ALLOWED. Raises pickle.UnpicklingError."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a data set has no need of")
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refused."""
        raise pickle.UnpicklingError("it refers to something outside")


def read(root: Path) -> tuple[tuple[Array, Labels], tuple[Array, Labels]]:
    """Training and test images uint8 [N, 3, 32, 32] with labels [N]. Raises BadInput."""
    content = _tarred(root) if root.is_file() else _unpacked(root)
    for form, (training, test) in FORMS.items():
        lacking = [name for name in (*training, *test) if content(name) is None]
        if len(lacking) < len(training) + len(test):
            if lacking:
                raise BadInput(f"data.root: {root} has no {lacking[0]}: {WHAT}")
            decode = _from_pickle if form == "python" else _from_rows
            return _joined(training, content, decode), _joined(test, content, decode)
    raise BadInput(f"data.root: {root} holds no data_batch_1 and test_batch: {WHAT}")


def _joined(
    names: list[str], content: Callable[[str], bytes | None], decode: Callable[[bytes, str], tuple[Array, Labels]]
) -> tuple[Array, Labels]:
    parts = [decode(content(name) or b"", name) for name in names]
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _from_pickle(raw: bytes, name: str) -> tuple[Array, Labels]:
    try:
        found = Reader(io.BytesIO(raw), encoding="bytes").load()
        found = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
        data, labels = found["data"], np.asarray(found["labels"])
    except Exception as error:  # a pickle can fail in any way
        raise BadInput(f"data: {name} is no batch of CIFAR-10: {in_a_line(error)}") from None
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != ROW - 1:
        raise BadInput(f"data: {name} is no batch of CIFAR-10: its data are not uint8 [N, {ROW - 1}]")
    return _checked(data, labels, name)


def _from_rows(raw: bytes, name: str) -> tuple[Array, Labels]:
    if not raw or len(raw) % ROW:
        raise BadInput(f"data: {name} is no batch of CIFAR-10: {len(raw)} bytes are no multiple of {ROW}")
    rows = np.frombuffer(raw, np.uint8).reshape(-1, ROW)
    return _checked(rows[:, 1:], rows[:, 0], name)


def _checked(data: NDArray[np.uint8], labels: NDArray[Any], name: str) -> tuple[Array, Labels]:
    fits = len(data) and labels.shape == (len(data),) and labels.dtype.kind in "iu"
    if not fits or labels.min() < 0 or labels.max() > 9:
        raise BadInput(f"data: {name} is no batch of CIFAR-10: its labels are no classes from 0 to 9")
    return data.reshape(-1, 3, 32, 32), labels.astype(np.int64)


def _unpacked(root: Path) -> Callable[[str], bytes | None]:
    folders = [root, *(root / name for name in ("cifar-10-batches-py", "cifar-10-batches-bin"))]

    def content(name: str) -> bytes | None:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            return None
        stays_within(path, root)
        return path.read_bytes()

    return content


def _tarred(root: Path) -> Callable[[str], bytes | None]:
    """The batches of a tar, read without unpacking it, to its end, where gzip's checksum is."""
    wanted = {name for form in FORMS.values() for names in form for name in names}
    found: dict[str, bytes] = {}
    try:
        with _unzipped(root) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for member in archive:
                    path = PurePosixPath(member.name)
                    if path.name not in wanted:
                        continue
                    if path.is_absolute() or ".." in path.parts or not member.isfile():
                        raise BadInput(f"data.root: {member.name} in {root} is a link, or leaves it: its files must lie within")
                    found[path.name] = (archive.extractfile(member) or io.BytesIO()).read()
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise BadInput(f"data.root: {root} is no readable tar.gz: {in_a_line(error)}") from None
    return found.get


def _unzipped(path: Path) -> IO[bytes]:
    """A tar, gzipped or not."""
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")

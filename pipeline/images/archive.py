"""Images in a folder or a zip: their names in order, their labels, and their bytes."""

import json
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.data.samples import Labels
from pipeline.experiment.errors import BadInput, in_a_line

LISTING = "dataset.json"
"""The labels, as EDM's and StyleGAN's dataset tools write them: {"labels": [[name, label], ...]}, or null."""
LEFT_BESIDE = "__MACOSX"
"""A folder that macOS puts into zips: shadows of the images, under their names."""
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


class Archive:
    """The images below a folder, or in a zip, sorted by their paths."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = None if path.is_dir() else _opened(path)
        entries = self._zip.namelist() if self._zip else _listed(path)
        for name in entries:
            self._check(name)
        self._listing = LISTING if LISTING in entries else None
        self.names = sorted(name for name in entries if _is_image(PurePosixPath(name)))
        if not self.names:
            raise BadInput(f"data: {path} holds no images ({', '.join(sorted(ENDINGS))})")

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises BadInput for a damaged zip."""
        if self._zip is None:
            return (self.path / name).read_bytes()
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise BadInput(f"data: {name} in {self.path} cannot be read: {in_a_line(error)}") from None

    def labels(self) -> Labels | None:
        """The label of each image: from dataset.json, else the number of its folder; None where there are none."""
        listed = self._listed_labels()
        if listed is not None:
            lacking = [name for name in self.names if name not in listed]
            if lacking:
                raise BadInput(f"data: {LISTING} in {self.path} has no label for {lacking[0]}")
            return np.array([listed[name] for name in self.names], dtype=np.int64)
        folders = [PurePosixPath(name).parts[0] if "/" in name else None for name in self.names]
        if self._listing or None in folders:
            return None
        order = {folder: number for number, folder in enumerate(sorted({str(folder) for folder in folders}))}
        return np.array([order[str(folder)] for folder in folders], dtype=np.int64)

    def _listed_labels(self) -> dict[str, int] | None:
        if self._listing is None:
            return None
        try:
            found: Any = json.loads(self.read(LISTING)).get("labels")
            pairs = found.items() if isinstance(found, dict) else found
            if pairs is None:
                return None
            labels = {}
            for name, label in pairs:
                self._check(name)
                if not isinstance(label, int) or isinstance(label, bool) or label < 0:
                    raise BadInput(f"data: {LISTING} in {self.path}: label {label!r} of {name} is no class number")
                labels[name] = label
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(f"data: {LISTING} in {self.path} is not as it should be: {in_a_line(error)}") from None
        return labels

    def _check(self, name: str) -> None:
        """Raise BadInput for a path that leaves the zip or folder."""
        path = PurePosixPath(str(name).replace("\\", "/"))
        leaves = path.is_absolute() or ".." in path.parts
        if not leaves and self._zip is None:
            leaves = not (self.path / path).resolve().is_relative_to(self.path.resolve())
        if leaves:
            raise BadInput(f"data: {name} leaves {self.path}: its files must lie within")


def _is_image(path: PurePosixPath) -> bool:
    """Whether a file is one by its name; hidden files and folders are none."""
    hidden = any(part[0] == "." or part == LEFT_BESIDE for part in path.parts)
    return path.suffix.lower() in ENDINGS and not hidden


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BadInput(f"data: {path} is no readable zip: {in_a_line(error)}") from None


def _listed(folder: Path) -> list[str]:
    """The files below a folder, without hidden ones; links to folders are not followed."""

    def below(place: Path) -> Iterable[Path]:
        for path in sorted(place.iterdir()):
            if path.name[0] == ".":
                continue
            if path.is_dir() and not path.is_symlink():
                yield from below(path)
            else:
                yield path

    return [path.relative_to(folder).as_posix() for path in below(folder)]

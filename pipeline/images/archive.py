"""Images in a folder or a zip: their names in order, their labels, and their bytes."""

import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.data.samples import Labels
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.images.settings import MOST_CLASSES

LISTING = "dataset.json"
"""The labels, as EDM's and StyleGAN's dataset tools write them: {"labels": [[name, label], ...]}, or null."""
LEFT_BESIDE = "__MACOSX"
"""A folder that macOS puts into zips: shadows of the images, under their names."""
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


class Archive:
    """The images below a folder, or in a zip, sorted by their paths.

    Folders that have all of them in common, above dataset.json or the classes' folders, count for nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = None if path.is_dir() else _opened(path)
        entries = self._zip.namelist() if self._zip else _listed(path)
        for name in entries:
            self._check(name)
        self.names = sorted(name for name in entries if _is_image(name))
        if not self.names:
            raise BadInput(f"data: {path} holds no images ({', '.join(sorted(ENDINGS))})")
        self._above = _above(self.names, set(entries))
        self._listing = f"{self._above}{LISTING}" if f"{self._above}{LISTING}" in entries else None

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises BadInput for one that cannot be read."""
        try:
            return self._zip.read(name) if self._zip else (self.path / name).read_bytes()
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise BadInput(f"data: {name} in {self.path} cannot be read: {in_a_line(error)}") from None

    def labels(self, known: Sequence[str] | None = None) -> tuple[Labels | None, list[str] | None]:
        """The label of each image, from dataset.json, else by its folder, and the names of these folders in their order.

        The labels are None where there are none. Folders are numbered as `known` has them. Raises BadInput for others.
        """
        below = [name.removeprefix(self._above) for name in self.names]
        listed = self._listed_labels()
        if listed is not None:
            lacking = [name for name in below if name not in listed]
            if lacking:
                raise BadInput(f"data: {LISTING} in {self.path} has no label for {lacking[0]}")
            return np.array([listed[name] for name in below], dtype=np.int64), None
        if self._listing or not all("/" in name for name in below):
            return None, None
        folders = [PurePosixPath(name).parts[0] for name in below]
        order = list(known) if known is not None else sorted(set(folders))
        strange = sorted(set(folders) - set(order))
        if strange:
            raise BadInput(f"data: {self.path} has a folder {strange[0]}, and so a class, that there is none of to train on")
        numbers = {folder: number for number, folder in enumerate(order)}
        return np.array([numbers[folder] for folder in folders], dtype=np.int64), order

    def _listed_labels(self) -> dict[str, int] | None:
        if self._listing is None:
            return None
        try:
            found: Any = json.loads(self.read(self._listing)).get("labels")
            pairs = found.items() if isinstance(found, dict) else found
            if pairs is None:
                return None
            labels = {}
            for name, label in pairs:
                self._check(name)
                if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < MOST_CLASSES:
                    what = f"is no class number, from 0 to {MOST_CLASSES - 1}"
                    raise BadInput(f"data: {LISTING} in {self.path}: label {label!r} of {name} {what}")
                labels[name] = label
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(f"data: {LISTING} in {self.path} is not as it should be: {in_a_line(error)}") from None
        return labels

    def _check(self, name: str) -> None:
        """Raise BadInput for a path that leaves the zip or folder."""
        path = PurePosixPath(str(name).replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise BadInput(f"data: {name} leaves {self.path}: its files must lie within")
        if self._zip is None:
            stays_within(self.path / str(name), self.path)


def stays_within(path: Path, folder: Path) -> None:
    """Raise BadInput for a path in a folder that leaves it, as a link may, or leads nowhere."""
    name = path.relative_to(folder)
    try:
        leaves = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a link in a circle
        raise BadInput(f"data: {name} in {folder} cannot be read: {in_a_line(error)}") from None
    if leaves:
        raise BadInput(f"data: {name} leaves {folder}: its files must lie within")


def _above(names: list[str], entries: set[str]) -> str:
    """The folders, with a slash at the end, that all images lie in, and that are no class of theirs: empty for none."""
    above = ""
    while f"{above}{LISTING}" not in entries:
        below = [PurePosixPath(name.removeprefix(above)).parts for name in names]
        folder = f"{above}{below[0][0]}/"
        alone = len({parts[0] for parts in below}) == 1
        if not alone or not (f"{folder}{LISTING}" in entries or all(len(parts) > 2 for parts in below)):
            break
        above = folder
    return above


def _is_image(name: str) -> bool:
    """Whether a file is one by its name; hidden files and folders are none."""
    path = PurePosixPath(name)
    hidden = any(part[0] == "." or part == LEFT_BESIDE for part in path.parts)
    return path.suffix.lower() in ENDINGS and not hidden and not name.endswith("/")


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
            if not path.is_dir():
                yield path
            elif path.is_symlink():
                stays_within(path, folder)
            else:
                yield from below(path)

    return [path.relative_to(folder).as_posix() for path in below(folder)]

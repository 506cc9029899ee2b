"""What params.yaml says of any set of images. Imports nothing heavy."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.experiment.errors import BadInput
from pipeline.experiment.sections import DataSettings

ROOT = "SELF_CONSUMING_DATA"
"""The environment variable with a folder of data sets: `root` is looked for in it, too."""


MOST_CLASSES = 100_000
"""Labels are class numbers: more than so many is a mistake."""


class ImageSettings(DataSettings):
    """`n_real` images to train on. Of `classes` only those that are named, numbered anew; `flip` mirrors half of the images.

    `root` is where the files are, relative to the project or to the folder that SELF_CONSUMING_DATA names; `source` says in
    words where they come from, for whom they are missing. Images are brought
    to `size` x `size`, after a centre `crop` to a square, in `channels` grey or rgb; without these they stay as they are.
    """

    root: Annotated[str, Field(min_length=1)] | None = None
    source: Annotated[str, Field(min_length=1)] | None = None
    classes: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    crop: bool = False
    channels: Literal["grey", "rgb"] | None = None
    flip: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> "ImageSettings":
        if self.classes and len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must differ from each other, got {self.classes}")
        if self.crop and self.size is None:
            raise ValueError("crop true is not allowed without size: images are cut to a square and brought to it")
        return self

    def found(self, usual: Sequence[str], what: str) -> Path:
        """Where the files are: at `root` or there under a usual name, else at a usual place.

        Raises BadInput, which says `what` is to be fetched.
        """
        what = self.source or what
        if self.root is None:
            return place(usual, "root", what)
        root = place([self.root], "root", what)
        if Path.cwd().is_relative_to(root.resolve()):
            raise BadInput(f"data.root: {self.root!r} is not allowed: it holds the project, and what is made in it")
        return next((path for name in usual if (path := root / name).exists() and not Path(name).is_absolute()), root)


def place(usual: Sequence[str], key: str, what: str) -> Path:
    """The first of some files or folders that is there. Raises BadInput, which says `what` is to be fetched."""
    given = [Path(path).expanduser() for path in usual]
    if any("${" in path for path in usual):
        raise BadInput(f"data.{key}: {usual[0]!r} is not allowed: DVC takes ${{ for the name of a variable")
    home = os.environ.get(ROOT)
    places = [*given, *(Path(home) / path for path in given if home and not path.is_absolute())]
    for path in places:
        with suppress(OSError):  # a name that is too long
            if path.exists():
                return path
    looked = " or ".join(map(str, places))
    raise BadInput(f"data.{key}: there is no {looked}: {what}; {key} or {ROOT} says where it lies")

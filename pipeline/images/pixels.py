"""One image: from a file's bytes, or an array, to uint8 [C, H, W] of the wanted size and channels."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.images.settings import ImageSettings

MODES = {"grey": "L", "rgb": "RGB"}
GREY = "1", "L"
COLOUR = "RGB", "RGBA", "P", "CMYK", "YCbCr", "PA", "LA"


class Wanted(NamedTuple):
    """What images are to be like; what is None is as in the file."""

    size: int | None
    crop: bool
    mode: str | None

    @classmethod
    def of(cls, settings: ImageSettings) -> "Wanted":
        """As params.yaml says."""
        return cls(settings.size, settings.crop, MODES[settings.channels] if settings.channels else None)

    @property
    def is_as_given(self) -> bool:
        """Whether nothing is to be done."""
        return self.size is None and self.mode is None


def opened(content: bytes, name: str) -> Image.Image:
    """The image of a file's bytes, decoded whole. Raises BadInput for a damaged one."""
    try:
        image = Image.open(BytesIO(content))
        image.load()
    except UnidentifiedImageError:
        raise BadInput(f"data: {name} is no readable image") from None
    except Exception as error:  # decoders fail in any way
        raise BadInput(f"data: {name} is no readable image: {in_a_line(error)}") from None
    return image


def pixels(image: Image.Image, wanted: Wanted, name: str) -> NDArray[np.uint8]:
    """uint8 [C, H, W]. Raises BadInput for an image that cannot be what is wanted."""
    mode = wanted.mode or ("L" if image.mode in GREY else "RGB" if image.mode in COLOUR else None)
    if mode is None or image.mode.startswith(("I", "F")):
        raise BadInput(f"data: {name} has pixels of kind {image.mode}: convert it to 8 bits of grey or RGB first")
    try:
        image = image if image.mode == mode else image.convert(mode)
    except ValueError as error:
        raise BadInput(f"data: {name} has pixels of kind {image.mode}: {in_a_line(error)}") from None
    if wanted.size is not None:
        image = _sized(image, wanted.size, wanted.crop, name)
    values = np.asarray(image, dtype=np.uint8)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _sized(image: Image.Image, size: int, crop: bool, name: str) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    if width != height and not crop:
        raise BadInput(f"data: {name} is {width} x {height} and no square: crop: true cuts out its centre")
    left, top = (width - side) // 2, (height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if side == size:
        return image
    method = Image.Resampling.BOX if side % size == 0 else Image.Resampling.LANCZOS
    return image.resize((size, size), method)

"""What U-Nets ask of images."""

from typing import Annotated

from pydantic import AfterValidator, Field

AUGMENT_LABELS = 9
"""Numbers that tell a network how an image was augmented (`models.diffusion.augmentation`)."""
Share = Annotated[float, Field(ge=0, lt=1)]
Balance = Annotated[float, Field(ge=0, le=1)]


def _have_a_sum(taps: list[float]) -> list[float]:
    """Raise ValueError for taps that cancel: they are divided by their sum."""
    if abs(sum(taps)) < 1e-3 * sum(map(abs, taps)) or not any(taps):
        raise ValueError(f"{taps} is not allowed: its numbers are divided by their sum, which must not be 0")
    return taps


Taps = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=64), AfterValidator(_have_a_sum)
]
"""A resampling filter."""


def check_sides(kind: str, shape: tuple[int, ...], levels: int) -> None:
    """Raise ValueError unless samples are images [C, H, W] whose sides can be halved as often as the network does."""
    if len(shape) != 3:
        raise ValueError(f"network.kind {kind} needs images [C, H, W], not samples {list(shape)}")
    factor = 2 ** (levels - 1)
    if shape[1] % factor or shape[2] % factor:
        raise ValueError(
            f"network.multipliers: {levels} resolutions are not allowed: images of {shape[1]} x {shape[2]} cannot be halved"
            f" {levels - 1} times"
        )

"""What U-Nets ask of images."""

from typing import Annotated

from pydantic import Field

AUGMENT_LABELS = 9
"""Numbers that tell a network how an image was augmented (`models.diffusion.augmentation`)."""
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


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

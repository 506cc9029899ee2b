"""The settings of ADM's U-Net."""

from typing import Annotated, ClassVar

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import Count
from models.unet.shapes import Share


class Settings(NetworkSettings):
    """A U-Net whose blocks are scaled as well as shifted. The defaults are those of ImageNet-64 (296 M parameters).

    channels of the first resolution, and `multipliers` of them at each, of which each has half the side of the one before;
    `blocks` at each; `attention` at images of these sides, with a head for each 64 channels. `label_dropout` is the share of
    labels that training hides; `augment_labels` tells the network of EDM's augmentations.
    """

    takes_labels: ClassVar[bool] = True
    channels: Annotated[int, Field(ge=4, le=8192, multiple_of=4)] = 192
    multipliers: list[Count] = Field(default=[1, 2, 3, 4], min_length=1)
    blocks: Count = 3
    attention: list[Count] = Field(default=[32, 16, 8])
    dropout: Share = 0.1
    embedding_channels: Count = 4
    label_dropout: Share = 0.0
    augment_labels: bool = False

    @property
    def takes_augmentation(self) -> bool:
        """Whether training may tell it of augmentations."""
        return self.augment_labels

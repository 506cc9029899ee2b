"""The settings of DDPM++'s and NCSN++'s U-Net."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import Count
from models.unet.shapes import Share, Taps


class Settings(NetworkSettings):
    """A U-Net. The defaults are DDPM++'s for CIFAR-10 (55.7 M parameters), EDM's configuration "VP".

    channels of the first resolution, and `multipliers` of them at each, of which each has half the side of the one before;
    `blocks` at each; `attention` at images of these sides. NCSN++, configuration "VE", has embedding fourier, encoder residual,
    noise_channels 2 and filter [1, 3, 3, 1]. `label_dropout` is the share of labels that training hides; `augment_labels` tells
    the network of EDM's augmentations.
    """

    takes_labels: ClassVar[bool] = True
    channels: Annotated[int, Field(ge=4, le=8192, multiple_of=4)] = 128
    multipliers: list[Count] = Field(default=[2, 2, 2], min_length=1)
    blocks: Count = 4
    attention: list[Count] = Field(default=[16])
    dropout: Share = 0.13
    embedding: Literal["positional", "fourier", "zero"] = "positional"
    encoder: Literal["standard", "skip", "residual"] = "standard"
    decoder: Literal["standard", "skip"] = "standard"
    embedding_channels: Count = 4
    noise_channels: Count = 1
    filter: Taps = Field(default=[1.0, 1.0])
    label_dropout: Share = 0.0
    augment_labels: bool = False

    @property
    def takes_augmentation(self) -> bool:
        """Whether training may tell it of augmentations."""
        return self.augment_labels

"""ADM, EDM's U-Net for ImageNet-64 (Dhariwal and Nichol 2021, arXiv 2105.05233; as in Karras et al. 2022, 2206.00364)."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import NETWORKS, Count
from models.unet.shapes import Share

if TYPE_CHECKING:
    from models.modules.dhariwal_unet import DhariwalUNet


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


@NETWORKS.register("dhariwal-unet", Settings)
def dhariwal_unet(shape: tuple[int, ...], settings: Settings, classes: int = 0) -> "DhariwalUNet":
    """x [B, C, H, W], c_noise [B], class_labels [B, K], augment_labels [B, 9] -> [B, C, H, W]."""
    from models.modules.dhariwal_unet import DhariwalUNet

    return DhariwalUNet(shape, settings, classes)

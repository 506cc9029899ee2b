"""ADM, EDM's U-Net for ImageNet-64 (Dhariwal and Nichol 2021, arXiv 2105.05233; as in Karras et al. 2022, 2206.00364)."""

from typing import TYPE_CHECKING

from models.registry import NETWORKS
from models.sizes.dhariwal_unet import Settings

if TYPE_CHECKING:
    from models.modules.dhariwal_unet import DhariwalUNet


@NETWORKS.register("dhariwal-unet", Settings)
def dhariwal_unet(shape: tuple[int, ...], settings: Settings, classes: int = 0) -> "DhariwalUNet":
    """x [B, C, H, W], c_noise [B], class_labels [B, K], augment_labels [B, 9] -> [B, C, H, W]."""
    from models.modules.dhariwal_unet import DhariwalUNet

    return DhariwalUNet(shape, settings, classes)

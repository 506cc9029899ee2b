"""EDM2's magnitude-preserving U-Net with its log-variance head (Karras et al. 2024, arXiv 2312.02696, configuration G)."""

from typing import TYPE_CHECKING

from models.registry import NETWORKS
from models.sizes.edm2_unet import Settings

if TYPE_CHECKING:
    from models.modules.edm2_unet import EDM2UNet


@NETWORKS.register("edm2-unet", Settings)
def edm2_unet(shape: tuple[int, ...], settings: Settings, classes: int = 0) -> "EDM2UNet":
    """x [B, C, H, W], c_noise [B], class_labels [B, K] -> [B, C, H, W]; it knows how sure it is at a noise level."""
    from models.modules.edm2_unet import EDM2UNet

    return EDM2UNet(shape, settings, classes)

"""EDM's U-Net of DDPM++ and NCSN++ (Song et al. 2021, arXiv 2011.13456; as in Karras et al. 2022, arXiv 2206.00364)."""

from typing import TYPE_CHECKING

from models.registry import NETWORKS
from models.sizes.song_unet import Settings

if TYPE_CHECKING:
    from models.modules.song_unet import SongUNet


@NETWORKS.register("song-unet", Settings)
def song_unet(shape: tuple[int, ...], settings: Settings, classes: int = 0) -> "SongUNet":
    """x [B, C, H, W], c_noise [B], class_labels [B, K], augment_labels [B, 9] -> [B, C, H, W]."""
    from models.modules.song_unet import SongUNet

    return SongUNet(shape, settings, classes)

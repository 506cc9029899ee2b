"""A network of another library: diffusers' `UNet2DModel` (pip install 'self-consuming[diffusers]').

extensions: [examples/diffusers_unet.py]
network: {kind: diffusers-unet, channels: [32, 64], layers: 1, dropout: 0.0}
"""

from typing import Annotated

from diffusers import UNet2DModel
from pydantic import Field
from torch import Tensor, nn

from pipeline.experiment.kinds import NETWORKS, Count, Section

GROUPS = 8
TIME_SCALE = 250.0
"""Its time embedding is made for steps from 0 to 1000; c_noise lies between -1.6 and 1.1."""


class Settings(Section):
    """The channels of each resolution, of which each is half of the one before, and the residual blocks in each."""

    channels: Annotated[list[Annotated[int, Field(ge=GROUPS, multiple_of=GROUPS)]], Field(min_length=1)]
    layers: Count = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


@NETWORKS.register("diffusers-unet", Settings)
class DiffusersUNet(nn.Module):
    """[B, C, H, W] -> [B, C, H, W]; H and W must be multiples of 2 to the number of resolutions less one."""

    def __init__(self, shape: tuple[int, ...], settings: Settings) -> None:
        super().__init__()
        depth = len(settings.channels)
        self.unet = UNet2DModel(
            sample_size=shape[1],
            in_channels=shape[0],
            out_channels=shape[0],
            block_out_channels=tuple(settings.channels),
            layers_per_block=settings.layers,
            down_block_types=("DownBlock2D",) * depth,
            up_block_types=("UpBlock2D",) * depth,
            norm_num_groups=GROUPS,
            dropout=settings.dropout,
        )

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        return self.unet(x, c_noise * TIME_SCALE).sample

"""The settings of EDM2's U-Net."""

from typing import Annotated, ClassVar

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import Count, Positive
from models.unet.shapes import Balance, Share, Taps


class Settings(NetworkSettings):
    """A U-Net without biases and group normalisation. The defaults are those of EDM2-S for ImageNet (280 M parameters).

    channels of the first resolution, and `multipliers` of them at each, of which each has half the side of the one before;
    `blocks` at each; `attention` at images of these sides, with a head for each `channels_per_head`. The widths of the noise
    level's features and of the embedding are `noise_channels` and `embedding_channels` times channels (None: the first and the
    largest resolution's). Balances are the share of the second part in a sum or a concatenation: of labels in the embedding, of
    skip connections, of residual branches, of attention. `clip_act` bounds activations, `logvar_channels` is the width of the
    noise level's features for the uncertainty.
    """

    takes_labels: ClassVar[bool] = True
    channels: Annotated[int, Field(ge=1, le=8192)] = 192
    multipliers: list[Count] = Field(default=[1, 2, 3, 4], min_length=1)
    blocks: Count = 3
    attention: list[Count] = Field(default=[16, 8])
    channels_per_head: Count = 64
    dropout: Share = 0.0
    noise_channels: Count | None = None
    embedding_channels: Count | None = None
    label_balance: Balance = 0.5
    concat_balance: Balance = 0.5
    res_balance: Balance = 0.3
    attn_balance: Balance = 0.3
    clip_act: Positive | None = 256.0
    filter: Taps = Field(default=[1.0, 1.0])
    logvar_channels: Count = 128

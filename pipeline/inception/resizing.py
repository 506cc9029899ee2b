"""Images brought to Inception's size: as TensorFlow did (`legacy_tensorflow`), or as clean-fid does (`clean`)."""

import numpy as np
import torch
from torch import Tensor

from pipeline.data.samples import Array
from pipeline.inception.network import SIDE


def legacy_tensorflow(images: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] -> float32 [B, 3, 299, 299]: bilinear, pixel i at i H / 299, without antialiasing (TensorFlow 1)."""
    rows, columns = (_weights(side).to(images.device) for side in images.shape[2:])
    return rows @ images.float() @ columns.T


def clean(images: Array) -> Tensor:
    """The same by clean-fid's own function: Pillow's bicubic filter, antialiased, on floats (arXiv 2104.11222)."""
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    return torch.stack([torch.from_numpy(resize(image.transpose(1, 2, 0)).transpose(2, 0, 1)) for image in images])


def coloured(images: Array) -> Array:
    """Grey images [B, 1, H, W] as RGB."""
    return images if images.shape[1] == 3 else np.repeat(images[:, :1], 3, axis=1)


def _weights(side: int) -> Tensor:
    """The interpolation along an axis, float32 [299, side]."""
    places = torch.arange(SIDE, dtype=torch.float32) * (side / SIDE)
    low = places.floor().long().clamp(max=side - 1)
    high, share = (low + 1).clamp(max=side - 1), places - low
    weights = torch.zeros(SIDE, side)
    rows = torch.arange(SIDE)
    weights[rows, low] += 1 - share
    weights[rows, high] += share
    return weights

"""EDM's non-leaky augmentation: images are changed, and the network is told how (Karras et al. 2022, appendix F.2).

Geometric changes after Karras et al. 2020 (arXiv 2006.06676), each with its own probability, in the strengths of EDM's CIFAR-10
configuration. An image is resampled once, bicubically, with reflection beyond its edges; where it is enlarged or turned no
lowpass filter comes first (the published code has a wavelet filter there).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

SCALE_STD, ANISOTROPY_STD, ROTATION_MAX, TRANSLATION_STD = 0.2, 0.2, 1.0, 0.125
LABELS = 9
"""Flips in x and y, scaling, cosine less 1 and sine of the rotation, anisotropy in two directions, translation in x and y."""


@torch.no_grad()
def augment(images: Tensor, p: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images [B, C, H, W], changed, and labels [B, 9], which are 0 where nothing has changed.

    Half of the images are mirrored, whatever p > 0 is, as in EDM; each other change comes with probability p. The generator is
    of the images' device; the same state gives the same.
    """
    n, device = len(images), images.device

    def uniform() -> Tensor:
        return torch.rand(n, generator=generator, device=device)

    def normal() -> Tensor:
        return torch.randn(n, generator=generator, device=device)

    def where(values: Tensor, probability: float) -> Tensor:
        return torch.where(uniform() < probability, values, torch.zeros_like(values))

    any_at_all = float(p > 0)
    flip_x = where((uniform() < 0.5).float(), any_at_all)
    flip_y = where((uniform() < 0.5).float(), p)
    scale = where(normal(), p)
    angle = where((uniform() * 2 - 1) * math.pi * ROTATION_MAX, p)
    direction, strength = where((uniform() * 2 - 1) * math.pi, 1.0), where(normal(), p)
    shift_x, shift_y = where(normal(), p), where(normal(), p)
    labels = [flip_x, flip_y, scale, angle.cos() - 1, angle.sin()]
    labels += [strength * direction.cos(), strength * direction.sin(), shift_x, shift_y]
    images = torch.where(flip_x.bool().view(-1, 1, 1, 1), images.flip(3), images)
    images = torch.where(flip_y.bool().view(-1, 1, 1, 1), images.flip(2), images)
    stretched = _rotation(-direction) @ _scaling(2 ** (strength * ANISOTROPY_STD), 2 ** (-strength * ANISOTROPY_STD))
    matrix = _rotation(angle) @ stretched @ _rotation(direction)
    matrix = matrix * (2 ** (-scale * SCALE_STD)).view(-1, 1, 1)  # from the output's places to the input's
    shifts = torch.stack([shift_x, shift_y], dim=1) * 2 * TRANSLATION_STD
    changed = (torch.stack([scale, angle, strength, shift_x, shift_y]) != 0).any(dim=0)
    return torch.where(changed.view(-1, 1, 1, 1), _warped(images, matrix, shifts), images), torch.stack(labels, dim=1)


def _warped(images: Tensor, matrix: Tensor, shifts: Tensor) -> Tensor:
    """Images, resampled at matrix times place plus shift, in units of half a side."""
    height, width = images.shape[2:]
    edge = [min(height, width) - 1] * 2
    padded = pad(images, [edge[1], edge[1], edge[0], edge[0]], mode="reflect")
    theta = torch.cat([matrix, shifts[:, :, None]], dim=2)
    grid = affine_grid(theta, [len(images), 1, height, width], align_corners=False)
    ratio = torch.tensor([width / padded.shape[3], height / padded.shape[2]], device=images.device)
    return grid_sample(padded, grid * ratio, mode="bicubic", padding_mode="border", align_corners=False)


def _rotation(angle: Tensor) -> Tensor:
    """[B] -> [B, 2, 2]."""
    rows = [torch.stack([angle.cos(), -angle.sin()], dim=1), torch.stack([angle.sin(), angle.cos()], dim=1)]
    return torch.stack(rows, dim=1)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    """[B], [B] -> [B, 2, 2]."""
    return torch.diag_embed(torch.stack([x, y], dim=1))

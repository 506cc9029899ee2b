"""Latents that depend on nothing but the sample's index."""

import numpy as np
import torch
from torch import Tensor


def latents(seed: int, start: int, stop: int, shape: tuple[int, ...]) -> Tensor:
    """Unit Gaussian latents of the samples start..stop-1, float32 [stop - start, *shape].

    A counter-based generator (Philox) is advanced to each sample's own place, so sample i is the same whatever block, batch
    or total it is drawn in. The normals are quantiles of 53-bit uniforms, one draw each.
    """
    per_sample = -(-int(np.prod(shape)) // _WORDS) * _WORDS
    bits = np.random.Philox(key=seed)
    bits.advance(start * (per_sample // _WORDS))
    raw = bits.random_raw((stop - start) * per_sample).reshape(stop - start, per_sample)[:, : int(np.prod(shape))]
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return torch.special.ndtri(torch.from_numpy(uniform)).float().reshape(stop - start, *shape)


_WORDS = 4
"""64-bit words that one step of Philox's counter gives."""

"""The classes that samples are drawn of: sample i's is a function of the stream and i alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from pipeline.data.samples import Labels
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params

_WORDS = 4
"""64-bit words that one step of Philox's counter gives: each sample has a step of its own."""


@dataclass(frozen=True)
class Mix:
    """Classes in certain shares [K], of the stream `seed`."""

    shares: NDArray[np.float64]
    seed: int

    def draw(self, start: int, stop: int) -> Labels:
        """The classes of the samples start..stop-1."""
        bits = np.random.Philox(key=self.seed)
        bits.advance(start)
        words = bits.random_raw((stop - start) * _WORDS)[::_WORDS]
        uniform = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.searchsorted(self._edges, uniform, side="right")

    def one_hot(self, start: int, stop: int) -> Tensor:
        """The same as float32 [stop - start, K]."""
        return one_hot(torch.from_numpy(self.draw(start, stop)), len(self.shares)).float()

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        """The upper edge of each class but the last in [0, 1)."""
        return np.cumsum(self.shares)[:-1] / self.shares.sum()


def n_classes(params: Params, real: Labels | None) -> int:
    """How many classes models are told of: those of the real labels [N], or 0 where params.yaml asks for none."""
    if params.labels is None:
        return 0
    if real is None:
        raise BadInput(f"labels: {params.labels!r} is not allowed: the data set has no labels")
    return int(real.max()) + 1


def mix(params: Params, real: Labels, seed: int) -> Mix:
    """The classes as params.yaml wants them: in the real proportions, uniform, or in shares of its own. Raises BadInput."""
    counts = np.bincount(real).astype(np.float64)
    if params.labels == "real":
        return Mix(counts, seed)
    shares = (counts > 0).astype(np.float64) if params.labels == "uniform" else np.array(params.labels, dtype=np.float64)
    if len(shares) != len(counts):
        raise BadInput(f"labels: {len(shares)} shares are not allowed: the data set has {len(counts)} classes")
    return Mix(shares, seed)

"""A finite set of real samples, of which some are trained on and others are to report by."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Labelled

SPLIT_SEED = 20240829
"""The split into training and reference is fixed: it is no part of an experiment's randomness."""
MIN_REFERENCE = 150
"""How many must be left to report by."""


class Finite:
    """A finite set with a fixed split; every seed trains on the same real set.

    The first `n_held_out` of those that nothing is trained on are to choose by, the others to report by. Values may be read
    only when they are looked at (`pipeline.data.lazy`).
    """

    def __init__(self, training: Labelled, rest: Labelled, n_held_out: int = 0) -> None:
        self.training, self.selection, self.reference = training, rest[:n_held_out], rest[n_held_out:]

    @classmethod
    def of_parts(cls, training: Labelled, selection: Labelled, reference: Labelled) -> "Finite":
        """The parts as they are."""
        made = cls(training, reference)
        made.selection = selection
        return made

    @classmethod
    def split(cls, samples: Labelled, n_real: int, n_held_out: int = 0) -> "Finite":
        """`n_real` of the samples to train on, drawn the same way every time, and the others. Raises ValueError for too few."""
        if len(samples.values) - n_real - n_held_out < 2:
            held_out = f", and {n_held_out} held out," if n_held_out else ""
            raise ValueError(
                f"{len(samples.values)} samples are too few: {n_real} to train on{held_out} leave none to report by"
            )
        order = shuffled(len(samples.values))
        return cls(samples[order[:n_real]], samples[order[n_real:]], n_held_out)


def shuffled(n: int, which: int = 0) -> NDArray[np.int64]:
    """The places from 0 to n in a random order that is always the same; another one for each number."""
    return np.random.Generator(np.random.Philox(key=SPLIT_SEED + which)).permutation(n)

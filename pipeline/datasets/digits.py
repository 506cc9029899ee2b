"""scikit-learn's handwritten digits."""

from functools import cache
from typing import Annotated

import numpy as np
from pydantic import Field

from pipeline.data.finite import MIN_REFERENCE, Finite
from pipeline.data.samples import Labelled
from pipeline.experiment.kinds import DATASETS
from pipeline.experiment.sections import DataSettings

COUNT = 1797


class Settings(DataSettings):
    """Handwritten digits, 8x8: a fixed split into `n_real` for training, the rest for reference."""

    n_real: Annotated[int, Field(ge=100, le=1600)]
    has_labels = True

    def check(self, held_out: int) -> None:
        """Raise ValueError where too few are left to report by."""
        if self.n_real + held_out > COUNT - MIN_REFERENCE:
            left = f"it leaves too few of the {COUNT} digits to report by"
            raise ValueError(f"evaluation.selection: {held_out} is not allowed: {left}")


@DATASETS.register("digits", Settings)
def digits(data: Settings, n_held_out: int = 0) -> Finite:
    """The 1,797 handwritten 8x8 digits that scikit-learn ships (0..16 grey levels become 0..255)."""
    return Finite.split(_shipped(), data.n_real, n_held_out)


@cache
def _shipped() -> Labelled:
    from sklearn.datasets import load_digits

    raw = load_digits()
    return Labelled(np.rint(raw.images[:, None] * (255 / 16)).astype(np.uint8), raw.target)

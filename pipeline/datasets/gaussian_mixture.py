"""A square grid of equal Gaussians in the plane."""

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from pipeline.data.truth import Points, Truth, check_resolved
from pipeline.experiment.kinds import DATASETS
from pipeline.experiment.sections import DataSettings

Length = Annotated[float, Field(ge=1e-9, le=1e6)]


class Settings(DataSettings):
    """Points of a square grid of equal Gaussians: modes x modes, `spacing` apart, each of standard deviation `spread`."""

    has_truth = True
    modes: Annotated[int, Field(ge=1, le=20)]
    spacing: Length
    spread: Length

    @model_validator(mode="after")
    def _is_resolved(self) -> "Settings":
        check_resolved("spacing", self.spacing * (self.modes - 1) / 2, "spread", self.spread)
        return self


@DATASETS.register("gaussian-mixture", Settings)
def gaussian_mixture(data: Settings, n_held_out: int = 0) -> Points:
    """A square grid of equal isotropic Gaussians in the plane, centred on the origin."""
    axis = (np.arange(data.modes) - (data.modes - 1) / 2) * data.spacing
    means = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    covariances = np.broadcast_to(np.eye(2) * data.spread**2, (len(means), 2, 2))
    return Points(Truth(np.full(len(means), 1 / len(means)), means, covariances), data.n_real, n_held_out)

"""One Gaussian."""

import math
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from pipeline.data.truth import Points, Truth, check_resolved
from pipeline.experiment.kinds import DATASETS
from pipeline.experiment.sections import DataSettings

Place = Annotated[float, Field(ge=-1e6, le=1e6)]
Square = Annotated[float, Field(ge=-1e12, le=1e12)]
"""Data are float32, and their distances are squared."""
NARROWEST = 1e-10
"""Variances of which one is less than this share of another are a matter of rounding."""
LEAST = 1e-18
"""A variance whose points float32 tells apart, and their squares."""


class Settings(DataSettings):
    """Points of one Gaussian."""

    has_truth = True
    mean: Annotated[list[Place], Field(min_length=2)]
    covariance: list[list[Square]]

    @model_validator(mode="after")
    def _is_covariance(self) -> "Settings":
        rows = self.covariance
        if len(rows) != len(self.mean) or any(len(row) != len(self.mean) for row in rows):
            raise ValueError(
                f"covariance {rows} is not allowed: it must be {len(self.mean)} x {len(self.mean)}, as long as mean"
            )
        matrix = np.array(rows, dtype=np.float64)
        if not np.array_equal(matrix, matrix.T):
            raise ValueError(f"covariance {rows} is not allowed: it must be symmetric and positive definite")
        variances = np.linalg.eigvalsh(matrix)
        if variances[0] <= NARROWEST * variances[-1]:
            raise ValueError(
                f"covariance {rows} is not allowed: it must be symmetric and positive definite, and its least eigenvalue,"
                f" {variances[0]:.3g}, is not above {NARROWEST:g} times the greatest, {variances[-1]:.3g}"
            )
        if variances[0] < LEAST:
            raise ValueError(f"covariance {rows} is not allowed: its least eigenvalue, {variances[0]:.3g}, is below {LEAST:g}")
        check_resolved("mean", max(map(abs, self.mean)), "covariance", math.sqrt(variances[0]))
        return self


@DATASETS.register("gaussian", Settings)
def gaussian(data: Settings, n_held_out: int = 0) -> Points:
    """One Gaussian with the mean and covariance of params.yaml."""
    truth = Truth(np.ones(1), np.array([data.mean], dtype=np.float64), np.array([data.covariance], dtype=np.float64))
    return Points(truth, data.n_real, n_held_out)

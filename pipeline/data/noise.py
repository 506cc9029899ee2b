"""The noise levels that an experiment trains on: what params.yaml gives, and what fits its data where it gives nothing."""

import math
from typing import Any

import numpy as np

from models.diffusion.noise import TrainingNoise, fitting
from pipeline.data.source import dataset
from pipeline.data.stored import TRAINING, facts, facts_file
from pipeline.data.truth import Points
from pipeline.experiment.params import Params


def training_noise(params: Params) -> TrainingNoise:
    """The noise levels of every training. With `sigma_data: auto` a finite set must have been stored before (`is_known`)."""
    given = params.noise
    deviation = _deviation(params) if given.sigma_data == "auto" else given.sigma_data
    return fitting(deviation, given.p_mean, given.p_std)


def is_known(params: Params) -> bool:
    """Whether the levels can be told by now."""
    return params.noise.sigma_data != "auto" or params.data.has_truth or facts_file(params).exists()


def resolved(params: Params) -> dict[str, Any]:
    """Section `noise` as it was understood, with the share of training's draws above half of the sampler's sigma_max."""
    if not is_known(params):
        return {}
    levels, start = training_noise(params), getattr(params.sampler, "sigma_max", None)
    share = {} if start is None else {"share_above_half_sigma_max": levels.share_above(start / 2)}
    return levels._asdict() | share


def warning(params: Params) -> str | None:
    """What to say where sampling begins far above the levels that training sees; None where it does not."""
    start = getattr(params.sampler, "sigma_max", None)
    if start is None or not is_known(params) or not (levels := training_noise(params)).is_too_low_for(start):
        return None
    fit = fitting(levels.sigma_data)
    return (
        f"noise: sampling begins at sigma_max {start:g}, and of training's draws, ln sigma ~ N({levels.p_mean:g},"
        f" {levels.p_std:g}^2), {levels.share_above(start / 2):.2g} are above half of that: what the network does there is a"
        f" guess, which a loop may amplify without bound. For data of standard deviation {levels.sigma_data:.4g} p_mean"
        f" {fit.p_mean:.2f} and p_std {fit.p_std:g} fit, which is what is taken where params.yaml gives none"
    )


def _deviation(params: Params) -> float:
    """The root of the mean variance of a coordinate: of the truth, or of a finite set's training part."""
    if not params.data.has_truth:
        return float(facts(params)[TRAINING]["standard_deviation"])
    source = dataset(params)
    assert isinstance(source, Points)
    return math.sqrt(float(np.trace(source.truth.covariance)) / len(source.truth.mean))

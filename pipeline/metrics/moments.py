"""Mean and covariance of points, against those of a known truth."""

import numpy as np

from pipeline.distance.frechet import moments
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


@METRICS.register("moments")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """mean_error is a norm, covariance_error a Frobenius norm, trace_ratio in units of the truth's trace."""
    if judged.truth is None:
        return {}
    mean, covariance = moments(judged.samples)
    return {
        "mean_error": float(np.linalg.norm(mean - judged.truth.mean)),
        "covariance_error": float(np.linalg.norm(covariance - judged.truth.covariance)),
        "trace": float(np.trace(covariance)),
        "trace_ratio": float(np.trace(covariance) / np.trace(judged.truth.covariance)),
    }

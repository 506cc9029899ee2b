"""A mixture's modes among samples: shares, spreads, and how many are lost."""

from typing import Any

import numpy as np

from pipeline.data.samples import Array
from pipeline.data.truth import Truth
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


def mode_metrics(truth: Truth, samples: Array) -> dict[str, Any]:
    """Each mode's share and spread among points [N, D] of a mixture, and how many modes are lost.

    Every point belongs to the mode that it is likeliest from. mode_shares [K] sum to 1; mode_spreads [K] are the standard
    deviation of a coordinate about the mode's own mean, in the points' units, and 0 for a mode without points. modes_lost
    counts those that fewer than a tenth of their share of the samples lie within three standard deviations of.
    """
    inverse = np.linalg.inv(truth.covariances)
    points = samples.astype(np.float64)
    offsets = points[:, None] - truth.means
    squared = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets)
    likeliest = (np.log(truth.shares) - np.linalg.slogdet(truth.covariances)[1] / 2 - squared / 2).argmax(axis=1)
    parts = [points[likeliest == mode] for mode in range(len(truth.shares))]
    return {
        "modes_lost": int(((squared < 9).mean(axis=0) < truth.shares / 10).sum()),
        "mode_shares": [len(part) / len(points) for part in parts],
        "mode_spreads": [float(np.sqrt(part.var(axis=0).mean())) if len(part) else 0.0 for part in parts],
    }


@METRICS.register("modes")
def metric(judged: Judged, settings: Section) -> dict[str, Any]:
    """modes_lost, mode_shares, mode_spreads, where there is more than one mode."""
    truth = judged.truth
    return mode_metrics(truth, judged.samples) if truth is not None and len(truth.shares) > 1 else {}

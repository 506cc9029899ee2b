"""FID of each class by itself; on request, since it needs many samples of each."""

import numpy as np

from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.kinds import METRICS, Plenty, Section
from pipeline.judging.judged import Judged


class Settings(Section):
    """A class with fewer samples than `least`, drawn or real, is left out."""

    least: Plenty = 100


@METRICS.register("class-fid", Settings)
def metric(judged: Judged, settings: Settings) -> dict[str, float]:
    """class_fid.KK, the distance of the samples drawn of class KK from the real ones of that class to report by."""
    if judged.labels is None or judged.reference_labels is None or len(judged.reference_labels) != len(judged.reference):
        return {}
    found: dict[str, float] = {}
    for label in np.unique(judged.labels).tolist():
        drawn, real = judged.features[judged.labels == label], judged.reference[judged.reference_labels == label]
        if min(len(drawn), len(real)) >= settings.least:
            found[f"class_fid.{label:02d}"] = frechet(*moments(drawn), *moments(real))
    return found

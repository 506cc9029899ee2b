"""FID: the Fréchet distance of features from those of real samples, or from the known truth's exactly."""

from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


@METRICS.register("fid")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """fid, of n_samples against n_reference; 0 for statistics in a file that does not say of how many they are."""
    distance = frechet(*(judged.moments or moments(judged.features)), *judged.target)
    compared = judged.compared.n if judged.compared else None
    count = len(judged.reference) if compared is None else compared
    return {"fid": distance, "n_samples": len(judged.features), "n_reference": count}

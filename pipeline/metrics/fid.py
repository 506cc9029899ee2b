"""FID: the Fréchet distance of features from those of real samples, or from the known truth's exactly."""

from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


@METRICS.register("fid")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """fid, of n_samples against n_reference; 0 for statistics in a file that does not say of how many they are."""
    distance = frechet(*moments(judged.features), *judged.target)
    count = len(judged.reference) if judged.compared.n is None else judged.compared.n
    return {"fid": distance, "n_samples": len(judged.features), "n_reference": count}

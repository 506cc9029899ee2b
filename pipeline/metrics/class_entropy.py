"""How evenly samples are spread over the classes, as the extractor sees them."""

import numpy as np
from numpy.typing import NDArray

from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


def class_entropy(labels: NDArray[np.int64]) -> float:
    """The entropy of the histogram of labels [N], in nats: 0 where all are one class, ln K where K are equally frequent."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


@METRICS.register("class-entropy")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """class_entropy, in nats, where the extractor knows classes."""
    return {} if judged.classes is None else {"class_entropy": class_entropy(judged.classes)}

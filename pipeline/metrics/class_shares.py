"""How often each class is among samples: as they were drawn of, and as the extractor sees them."""

import numpy as np

from pipeline.data.samples import Labels
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged


def shares(labels: Labels, classes: int) -> list[float]:
    """The share of each of so many classes among labels [N]."""
    found: list[float] = (np.bincount(labels, minlength=classes)[:classes] / len(labels)).tolist()
    return found


@METRICS.register("class-shares")
def metric(judged: Judged, settings: Section) -> dict[str, object]:
    """class_shares, where samples were drawn of classes; seen_shares and label_agreement where the extractor knows any."""
    if judged.labels is None:
        return {}
    classes = judged.n_classes
    found: dict[str, object] = {"class_shares": shares(judged.labels, classes)}
    if judged.classes is not None:
        found["seen_shares"] = shares(judged.classes, classes)
        found["label_agreement"] = float((judged.classes == judged.labels).mean())
    return found

"""How far samples are from the real distribution, and what that is judged by: the `data` stage and a generation's metrics.

`identity`: points are their own features and the truth is known exactly. `classifier`: features of a small network trained on
the real training split, against the held-out reference split.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets import Array, Images, Points, dataset
from pipeline.features import (
    extractor_name,
    features,
    held_out_accuracy,
    load_classifier,
    save_classifier,
    train_classifier,
)
from pipeline.files import read_array, staged, write_array, write_json
from pipeline.layout import Layout
from pipeline.metrics import Floats, frechet, moments, point_metrics
from pipeline.params import Params
from pipeline.seeds import derive

FLOOR_DRAWS = 20
SELECTION_SAMPLES = 2000
"""Samples that each guidance is judged by where one is to be chosen."""


def evaluate_samples(params: Params, samples: Array) -> dict[str, Any]:
    """The metrics of samples (float32 points or uint8 images); deterministic, with the sample count and extractor."""
    source = dataset(params)
    if isinstance(source, Points):
        return point_metrics(source.truth, samples)
    layout = Layout(params.experiment)
    model, reference = load_classifier(layout.extractor, source), read_array(layout.reference)
    distance = frechet(*moments(features(model, samples)), *moments(features(model, reference)))
    counts = {"n_samples": len(samples), "n_reference": len(reference)}
    return {"fid": distance, "extractor": extractor_name(layout.extractor), **counts}


def choose(params: Params, seed: int, candidates: list[float], draw: Callable[[float, int], Array]) -> dict[str, float | int]:
    """The guidance whose samples are nearest to real data that nothing is trained on or reported by.

    Args:
        params: the experiment, with `evaluation.selection`.
        seed: of the chain; points have held-out real samples of their own for each.
        candidates: the guidances.
        draw: (guidance, n) -> n samples of a stream that nothing is reported by.

    Returns guidance, selection_fid (its distance) and selection_n (the real samples it was judged by).
    """
    source, layout = dataset(params), Layout(params.experiment)
    held_out = read_array(layout.held_out(seed))
    model = None if isinstance(source, Points) else load_classifier(layout.extractor, source)

    def describe(samples: Array) -> tuple[Floats, Floats]:
        return moments(features(model, samples) if model else samples)

    target = describe(held_out)
    distances = {w: frechet(*describe(draw(w, SELECTION_SAMPLES)), *target) for w in candidates}
    best = min(candidates, key=lambda w: distances[w])
    return {"guidance": best, "selection_fid": distances[best], "selection_n": len(held_out)}


def prepare_data(params: Params) -> None:
    """The `data` stage: every seed's real set, what judges samples, and the real-versus-real floor."""
    layout, source = Layout(params.experiment), dataset(params)
    with staged(layout.data) as work:
        for seed in params.seeds:
            write_array(work / layout.real(seed).name, source.real(seed))
            if params.evaluation.selection:
                write_array(work / layout.held_out(seed).name, source.held_out(seed))
        if isinstance(source, Points):
            facts = _point_facts(source, params.evaluation.n)
        else:
            facts = _image_facts(source, work / layout.extractor.name, work / layout.reference.name)
        write_json(work / layout.facts.name, facts)


def _point_facts(source: Points, n: int) -> dict[str, Any]:
    """The floor: the metric's value for n exact draws, which is what finite samples alone cost."""
    draws = [point_metrics(source.truth, source.truth.draw(derive(0, "floor", i), n))["fid"] for i in range(FLOOR_DRAWS)]
    return {"floor": float(np.mean(draws)), "floor_std": float(np.std(draws, ddof=1)), "floor_n": n, "floor_draws": FLOOR_DRAWS}


def _image_facts(source: Images, extractor: Path, held_out: Path) -> dict[str, Any]:
    """Classifier and reference images; the floor is the training split's distance from the reference split."""
    model = train_classifier(source)
    save_classifier(model, extractor)
    write_array(held_out, source.reference.images)
    training, reference = (moments(features(model, part.images)) for part in (source.training, source.reference))
    return {
        "floor": frechet(*training, *reference),
        "floor_n": len(source.training.images),
        "n_reference": len(source.reference.images),
        "classifier_accuracy": held_out_accuracy(model, source),
        "extractor": extractor_name(extractor),
    }

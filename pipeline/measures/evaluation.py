"""How far samples are from the real distribution, and what that is judged by: the `data` stage and a generation's metrics.

`identity`: points are their own features and the truth is known exactly. `classifier`: features of a small network trained on
the real training split, against the held-out reference split.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from models.classifier import Classifier
from pipeline.datasets import Array, Images, Points, dataset
from pipeline.files import read_array, staged, write_array, write_json
from pipeline.layout import Layout
from pipeline.measures.features import (
    classes,
    extractor_name,
    features,
    held_out_accuracy,
    load_classifier,
    save_classifier,
    train_classifier,
)
from pipeline.measures.metrics import (
    Floats,
    class_entropy,
    feature_metrics,
    fid_infinity,
    frechet,
    memorisation,
    moments,
    point_metrics,
)
from pipeline.params import Params
from pipeline.sections import Evaluation
from pipeline.seeds import derive

FLOOR_DRAWS = 20
SELECTION_SAMPLES = 2000
"""Samples that each guidance is judged by where one is to be chosen."""


def evaluate_samples(params: Params, samples: Array) -> dict[str, Any]:
    """The metrics of samples (float32 points or uint8 images); deterministic, each with its sample counts and extractor."""
    source, infinity = dataset(params), params.evaluation.fid_infinity
    if isinstance(source, Points):
        return point_metrics(source.truth, samples, infinity)
    layout = Layout(params.experiment)
    model, reference = load_classifier(layout.extractor, source), read_array(layout.reference)
    metrics = _image_metrics(model, samples, reference, infinity) | memorisation(samples, source.training.images)
    return metrics | {"extractor": extractor_name(layout.extractor)}


def fid(params: Params, samples: Array) -> float:
    """The Fréchet distance alone, as `evaluate_samples` gives it."""
    source, layout = dataset(params), Layout(params.experiment)
    if isinstance(source, Points):
        return frechet(*moments(samples), source.truth.mean, source.truth.covariance)
    model = load_classifier(layout.extractor, source)
    return frechet(*moments(features(model, samples)), *moments(features(model, read_array(layout.reference))))


def _image_metrics(model: Classifier, images: Array, reference: Array, infinity: bool) -> dict[str, Any]:
    """uint8 images [N, C, H, W] against reference images [M, C, H, W], in a classifier's features.

    class_entropy is of the histogram of the classes that the classifier predicts, in nats.
    """
    fake, real = features(model, images), features(model, reference)
    target = moments(real)
    metrics: dict[str, Any] = {
        "fid": frechet(*moments(fake), *target),
        "class_entropy": class_entropy(classes(model, fake)),
        "n_samples": len(images),
    }
    metrics |= feature_metrics(fake, real)
    return metrics | (fid_infinity(fake, *target) if infinity else {})


def choose(params: Params, seed: int, candidates: list[float], draw: Callable[[float, int], Array]) -> dict[str, float | int]:
    """The guidance whose samples are nearest to real data that nothing is trained on or reported by.

    Args:
        params: the experiment, with `evaluation.selection`.
        seed: of the chain; points have held-out real samples of their own for each.
        candidates: the guidances.
        draw: (guidance, n) -> n samples of a stream that nothing is reported by.

    Returns guidance, selection_fid (its distance) and selection_n (the real samples it was judged by). A guidance whose
    trajectories diverge is infinitely far. Raises FloatingPointError where all are.
    """
    source, layout = dataset(params), Layout(params.experiment)
    held_out = read_array(layout.held_out(seed))
    model = None if isinstance(source, Points) else load_classifier(layout.extractor, source)

    def describe(samples: Array) -> tuple[Floats, Floats]:
        return moments(features(model, samples) if model else samples)

    target = describe(held_out)

    def distance(w: float) -> float:
        try:
            return frechet(*describe(draw(w, SELECTION_SAMPLES)), *target)
        except FloatingPointError:
            return math.inf

    distances = {w: distance(w) for w in candidates}
    best = min(candidates, key=lambda w: distances[w])
    if distances[best] == math.inf:
        raise FloatingPointError(f"the guided trajectories diverged with every one of the candidates {candidates}")
    return {"guidance": best, "selection_fid": distances[best], "selection_n": len(held_out)}


def prepare_data(params: Params, recording: AbstractContextManager[None] | None = None) -> None:
    """The `data` stage: every seed's real set, what judges samples, and the real-versus-real floor of every metric."""
    layout, source = Layout(params.experiment), dataset(params)
    with staged(layout.data, recording) as work:
        for seed in params.seeds:
            write_array(work / layout.real(seed).name, source.real(seed))
            if params.evaluation.selection:
                write_array(work / layout.held_out(seed).name, source.held_out(seed))
        if isinstance(source, Points):
            facts = _point_facts(source, params.evaluation)
        else:
            facts = _image_facts(source, work / layout.extractor.name, work / layout.reference.name, params.evaluation)
        write_json(work / layout.facts.name, facts)


def data_files(params: Params) -> list[Path]:
    """What `prepare_data` makes."""
    layout = Layout(params.experiment)
    files = [layout.facts, *map(layout.real, params.seeds)]
    if params.evaluation.selection:
        files += map(layout.held_out, params.seeds)
    return files if isinstance(dataset(params), Points) else [*files, layout.extractor, layout.reference]


def _point_facts(source: Points, given: Evaluation) -> dict[str, Any]:
    """The floors: every metric's mean over exact draws of n, which is what finite samples alone cost."""
    truth, n = source.truth, given.n
    draws = [point_metrics(truth, truth.draw(derive(0, "floor", i), n), given.fid_infinity) for i in range(FLOOR_DRAWS)]
    distances = [draw["fid"] for draw in draws]
    return {
        "floor": float(np.mean(distances)),
        "floor_std": float(np.std(distances, ddof=1)),
        "floor_n": n,
        "floor_draws": FLOOR_DRAWS,
        "floors": {
            key: value if key.startswith("n_") else np.mean([draw[key] for draw in draws], axis=0).tolist()
            for key, value in draws[0].items()
            if key != "extractor"
        },
    }


def _image_facts(source: Images, extractor: Path, held_out: Path, given: Evaluation) -> dict[str, Any]:
    """Classifier and reference images, and the floors: the distance of n training images from the reference split.

    Of all of them where n is more than there are. Only for nearest_training_distance, which is 0 for the training split, the
    floor is the reference split's.
    """
    model = train_classifier(source)
    save_classifier(model, extractor)
    training, reference = source.training.images, source.reference.images
    write_array(held_out, reference)
    drawn = np.random.default_rng(derive(0, "floor", 0)).permutation(len(training))[: given.n]
    judged = training[drawn] if given.n < len(training) else training
    floors = _image_metrics(model, judged, reference, given.fid_infinity) | memorisation(reference, training)
    return {
        "floor": floors["fid"],
        "floor_n": len(judged),
        "floors": floors,
        "n_reference": len(reference),
        "classifier_accuracy": held_out_accuracy(model, source),
        "extractor": extractor_name(extractor),
    }

"""How far samples are from the real distribution: the Fréchet distance in the features that params.yaml names.

`identity`: points are their own features and the truth is known exactly. `classifier`: features of a small network trained on
the real training split, against the held-out reference split; the distance itself is clean-fid's.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from models.classifier import Classifier, accuracy
from models.classifier import fit as fit_classifier
from pipeline.datasets import Array, Images, Points, Truth, dataset, decode
from pipeline.layout import Layout, read_array, staged, write_array, write_json
from pipeline.params import Params
from pipeline.seeds import derive

EXTRACTOR = "extractor.safetensors"
REFERENCE = "reference.npy"
FACTS = "data.json"
FLOOR_DRAWS = 20
CLASSIFIER_EPOCHS, CLASSIFIER_BATCH, CLASSIFIER_RATE = 15, 64, 1e-3
Floats = NDArray[np.float64]


def frechet(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """The squared Fréchet (Wasserstein-2) distance of two Gaussians, |m_a - m_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2).

    Means [D], covariances [D, D]; symmetric eigendecompositions only (Dowson and Landau 1982; FID, arXiv 1706.08500).
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum()
    shift = mean_a - mean_b
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def moments(features: Array) -> tuple[Floats, Floats]:
    """Mean [D] and covariance [D, D] of features [N, D], in float64."""
    exact = features.astype(np.float64)
    return exact.mean(axis=0), np.atleast_2d(np.cov(exact, rowvar=False))


def evaluate_samples(params: Params, samples: Array) -> dict[str, Any]:
    """The metrics of samples (float32 points or uint8 images); deterministic, with the sample count and extractor."""
    source = dataset(params)
    if isinstance(source, Points):
        return _points(source.truth, samples)
    folder = Layout(params.experiment).data
    extractor = folder / EXTRACTOR
    model = _load_classifier(extractor, source)
    distance = _distance(_features(model, samples), _features(model, read_array(folder / REFERENCE)))
    counts = {"n_samples": len(samples), "n_reference": len(source.reference.images)}
    return {"fid": distance, "extractor": f"classifier-{_digest(extractor)}", **counts}


def prepare_data(params: Params) -> None:
    """The `data` stage: every seed's real set, what judges samples, and the real-versus-real floor."""
    layout, source = Layout(params.experiment), dataset(params)
    with staged(layout.data) as work:
        for seed in params.seeds:
            write_array(work / layout.real(seed).name, source.real(seed))
        if isinstance(source, Points):
            facts = _floor_of_points(source, params.evaluation.n)
        else:
            facts = _prepare_images(source, work)
        write_json(work / FACTS, facts)


def _points(truth: Truth, samples: Array) -> dict[str, Any]:
    mean, covariance = moments(samples)
    metrics = {
        "fid": frechet(mean, covariance, truth.mean, truth.covariance),
        "mean_error": float(np.linalg.norm(mean - truth.mean)),
        "trace": float(np.trace(covariance)),
        "trace_ratio": float(np.trace(covariance) / np.trace(truth.covariance)),
        "n_samples": len(samples),
        "extractor": "identity",
    }
    if len(truth.shares) > 1:
        metrics["modes_lost"] = _modes_lost(truth, samples.astype(np.float64))
    return metrics


def _modes_lost(truth: Truth, samples: Floats) -> int:
    """Modes that fewer than a tenth of their share of the samples lie within three standard deviations of."""
    inverse = np.linalg.inv(truth.covariances)
    offsets = samples[:, None] - truth.means
    inside = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets) < 9
    return int((inside.mean(axis=0) < truth.shares / 10).sum())


def _floor_of_points(source: Points, n: int) -> dict[str, Any]:
    """The metric's value for n exact draws: what finite samples alone cost."""
    draws = [_points(source.truth, source.truth.draw(derive(0, "floor", i), n))["fid"] for i in range(FLOOR_DRAWS)]
    return {"floor": float(np.mean(draws)), "floor_std": float(np.std(draws, ddof=1)), "floor_n": n, "floor_draws": FLOOR_DRAWS}


def _prepare_images(source: Images, work: Path) -> dict[str, Any]:
    training, reference = source.training, source.reference
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, "classifier-init"))
        model = _untrained(source)

    def seed_of(epoch: int) -> int:
        return derive(0, "classifier-batches", epoch)

    images, labels = torch.from_numpy(decode(training.images)), torch.from_numpy(training.labels)
    fit_classifier(model, images, labels, CLASSIFIER_EPOCHS, CLASSIFIER_BATCH, CLASSIFIER_RATE, seed_of)
    save_file(model.state_dict(), work / EXTRACTOR)
    write_array(work / REFERENCE, reference.images)
    held_out = torch.from_numpy(decode(reference.images)), torch.from_numpy(reference.labels)
    return {
        "floor": _distance(_features(model, training.images), _features(model, reference.images)),
        "floor_n": len(training.images),
        "n_reference": len(reference.images),
        "classifier_accuracy": accuracy(model, *held_out),
        "extractor": f"classifier-{_digest(work / EXTRACTOR)}",
    }


def _untrained(source: Images) -> Classifier:
    _, channels, side, _ = source.training.images.shape
    return Classifier(channels, side, int(source.training.labels.max()) + 1)


def _load_classifier(path: Path, source: Images) -> Classifier:
    model = _untrained(source)
    model.load_state_dict(load_file(path))
    return model.requires_grad_(False).eval()


@torch.inference_mode()
def _features(model: Classifier, images: Array) -> NDArray[np.float32]:
    return model.features(torch.from_numpy(decode(images))).numpy()


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    from cleanfid.fid import frechet_distance

    return float(frechet_distance(*moments(a), *moments(b)))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]

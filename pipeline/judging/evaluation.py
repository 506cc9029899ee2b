"""The metrics of samples, and the floor: those of real samples, which is what finite numbers of them alone cost."""

import math
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labels, some
from pipeline.data.truth import Points
from pipeline.distance.extractor import Reference
from pipeline.distance.shares import all_features, is_first, share, summed_moments
from pipeline.experiment.kinds import METRICS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Evaluation, kind_of
from pipeline.experiment.seeds import derive
from pipeline.judging.judged import Judged
from pipeline.metrics.memorisation import AT_MOST, memorisation
from pipeline.storage.layout import Layout

FLOOR_DRAWS = 20
COMPARED = "extractor", "reference"
"""What values carry beside their counts: where one of these differs they are not comparable."""
ON_REQUEST = ("class-fid",)
"""Metrics of the program's own that are no usual ones."""
EXTRAPOLATED = "fid-infinity"
"""The metric that `evaluation.fid_infinity` asks for."""


class Judge:
    """Judges samples by what params.yaml names. `folder` is where the extractor's files are."""

    def __init__(self, params: Params, folder: Path) -> None:
        self.evaluation, self.reference = params.evaluation, Reference(params, folder)

    def metrics(self, samples: Array, labels: Labels | None = None) -> dict[str, Any]:
        """The metrics of samples, and of the classes that they were drawn of; the same samples give the same.

        Each has its counts, and all have the extractor's name and that of what they are compared with. Of several processes
        each computes the features of its share, and the first alone what is made of them: the others give nothing.

        Raises ArithmeticError where two metrics give the same name, or one gives no numbers.
        """
        judged, found = self._judged(samples, labels), dict[str, Any]()
        if not is_first():
            return {}
        for kind, settings in chosen(self.evaluation).items():
            given = METRICS[kind](judged, settings)
            if not isinstance(given, dict) or (twice := given.keys() & (found.keys() | set(COMPARED))):
                what = f"{', '.join(sorted(twice))}, which another one gives" if isinstance(given, dict) else repr(given)
                raise ArithmeticError(f"metric {kind} gives {what}")
            found |= {name: _plain(f"metric {kind}: {name}", value) for name, value in given.items()}
        return found | {"extractor": self.reference.name, "reference": judged.compared.name if judged.compared else ""}

    def fid(self, samples: Array) -> float:
        """The Fréchet distance alone, as `metrics` gives it."""
        return self.reference.fid(samples)

    def floors(self) -> dict[str, Any]:
        """Every metric's floor, with the counts, and what else there is to say of the extractor."""
        source, n = self.reference.source, self.evaluation.n
        return self._floors_of_points(source, n) if isinstance(source, Points) else self._floors_of_finite(source, n)

    def _floors_of_points(self, source: Points, n: int) -> dict[str, Any]:
        """The means over exact draws of n."""
        draws = [self.metrics(source.truth.draw(derive(0, "floor", i), n)) for i in range(FLOOR_DRAWS)]
        distances = [draw["fid"] for draw in draws]
        compared = {key: draws[0][key] for key in COMPARED}
        return (
            self.reference.extractor.facts()
            | compared
            | {
                "floor": float(np.mean(distances)),
                "floor_std": float(np.std(distances, ddof=1)),
                "floor_n": n,
                "floor_draws": FLOOR_DRAWS,
                "floors": {
                    key: value if key.startswith("n_") else np.mean([draw[key] for draw in draws], axis=0).tolist()
                    for key, value in draws[0].items()
                    if key not in COMPARED
                },
            }
        )

    def _floors_of_finite(self, source: Finite, n: int) -> dict[str, Any]:
        """Those of n training samples against the reference split, or of all of them where n is more than there are.

        Where samples are compared with the training split, those of the reference split against it.
        Only for nearest_training_distance, which is 0 for the training split, the floor is the reference split's.
        """
        training, reference = source.training.values, source.reference.values
        real = reference if self.reference.extractor.compares_with_training else training
        drawn = np.random.default_rng(derive(0, "floor", 0)).permutation(len(real))[:n]
        judged = real[drawn] if n < len(real) else real
        floors = self.metrics(judged)
        if "nearest_training_distance" in floors:
            floors |= memorisation(some(reference, AT_MOST), training)
        facts = {"floor": floors["fid"], "floor_n": len(judged), "n_reference": floors["n_reference"]}
        compared = {key: floors.pop(key) for key in COMPARED}
        return self.reference.extractor.facts() | facts | {"floors": floors} | compared

    def _judged(self, samples: Array, labels: Labels | None) -> Judged:
        source, extractor = self.reference.source, self.reference.extractor
        mine = share(samples)
        features, real = extractor.features(mine), self.reference.real(len(samples))
        if features.ndim != 2 or len(features) != len(mine):
            raise ArithmeticError(f"extractor {self.reference.name} gives {list(features.shape)} for {len(mine)} samples")
        moments, features = summed_moments(features, len(samples)), all_features(features, len(samples))
        target = self.reference.target(real)
        return Judged(
            samples=samples,
            features=features,
            reference=real,
            target=(target.mean, target.covariance),
            compared=target,
            truth=source.truth if isinstance(source, Points) else None,
            training=source.training.values if isinstance(source, Finite) else None,
            classes=extractor.classes(features),
            labels=labels,
            reference_labels=self.reference.real_labels(),
            moments=moments,
            n_classes=int(source.training.classes.max()) + 1 if labels is not None and isinstance(source, Finite) else 0,
        )


def _plain(what: str, value: Any) -> Any:
    """A number, or a list of them, as JSON has it. Raises ArithmeticError for anything else, and for what is not finite."""
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(what, each) for each in value]
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ArithmeticError(f"{what} is {value!r} and no number")
    if not math.isfinite(value):
        raise ArithmeticError(f"{what} is {value}")
    return int(value) if isinstance(value, Integral) else float(value)


def evaluate_samples(params: Params, samples: Array) -> dict[str, Any]:
    """The metrics of samples of an experiment whose extractor is there."""
    return Judge(params, Layout(params.experiment).extractor).metrics(samples)


def fid(params: Params, samples: Array) -> float:
    """The Fréchet distance alone."""
    return Judge(params, Layout(params.experiment).extractor).fid(samples)


def chosen(evaluation: Evaluation) -> dict[str, Any]:
    """The kinds of the metrics and their settings: the usual ones, which are the program's own, and those that are named."""
    kinds: dict[str, Any] = {}
    for kind in METRICS:
        own = METRICS.entry(kind).module.startswith(f"{METRICS.home}.")
        if own and kind not in ON_REQUEST and (kind != EXTRAPOLATED or evaluation.fid_infinity):
            kinds[kind] = METRICS.entry(kind).settings.model_validate({"kind": kind})
    return kinds | {kind_of(settings): settings for settings in evaluation.metrics}

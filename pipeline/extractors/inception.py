"""FID of the literature: pool features of the TensorFlow Inception network of 2015-12-05 (Heusel et al., arXiv 1706.08500)."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled, Labels, some, some_places
from pipeline.data.truth import Points
from pipeline.distance.blocks import featured, in_blocks, in_float32
from pipeline.distance.extractor import Extractor, Target
from pipeline.distance.frechet import running_moments
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import EXTRACTORS, Count
from pipeline.experiment.sections import ExtractorSettings
from pipeline.inception.weights import DIGEST, FEATURES, checked, found, load
from pipeline.storage.files import read_array, read_json, write_array, write_json

if TYPE_CHECKING:
    from torch import nn

MEAN, COVARIANCE, KEPT, FACTS = "mean.npy", "covariance.npy", "features.npy", "reference.json"
KEPT_FEATURES = 10_000
"""So many of the reference's features are kept, for the metrics that compare samples one by one; drawn, since sets may be in
the order of their classes."""
COMPUTED = "training", "reference"
"""The parts of a data set that may be compared with; anything else is a file."""


class Settings(ExtractorSettings):
    """Images resized as TensorFlow did (`legacy_tensorflow`, EDM's figures) or by clean-fid (`clean`), to 2048 features.

    `reference` is the training set, as in EDM's figures, the set to report by, or the path of an .npz with `mu` and `sigma`.
    `weights` is a path; without it they are looked for where `self-consuming weights inception` puts them. `digest` is the
    SHA-256 of weights other than the published ones. `batch` images go through the network at once.
    """

    mode: Literal["legacy_tensorflow", "clean"] = "legacy_tensorflow"
    reference: str = "training"
    weights: str | None = None
    digest: str | None = None
    batch: Count = 100
    needs_images: ClassVar[bool] = True

    @property
    def inputs(self) -> list[str]:
        """The file of statistics, where one is named."""
        return [] if self.reference in COMPUTED else [self.reference]

    @property
    def reads(self) -> list[str]:
        """The statistics, and weights that are named; their digest names these in recipes."""
        return [*self.inputs, *([self.weights] if self.weights else [])]

    def check_files(self) -> None:
        """Raise BadInput where there are no weights, or others than params.yaml says, or no statistics."""
        if self.inputs and not Path(self.reference).is_file():
            source = "EDM publishes such statistics by the data set's name (NVlabs/edm, fid-refs)"
            raise BadInput(f"evaluation.extractor.reference: there is no file {self.reference!r}: {source}; put it there")
        checked(found(self.weights), self.digest)
        if self.inputs:
            _statistics(Path(self.reference))


@EXTRACTORS.register("inception", Settings)
class Inception(Extractor):
    """The 2048 pool features; what samples are compared with is computed once for a data set."""

    files: ClassVar[tuple[str, ...]] = (MEAN, COVARIANCE, KEPT, FACTS)

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        import torch  # noqa: F401 (before threads and kernels are fixed: `pipeline.experiment.machine.fix`)

        super().__init__(settings, source)
        if not isinstance(source, Finite) or source.training.values.dtype != np.uint8:
            raise BadInput("evaluation.extractor: inception is not allowed: it needs images")
        self.finite = source
        self.compares_with_training = settings.reference != "reference"

    @cached_property
    def network(self) -> "nn.Module":
        """Inception with its weights, on the device. Raises BadInput where there are none, or others than params.yaml says."""
        path = found(self.settings.weights)
        checked(path, self.settings.digest)
        return load(path).to(self.device()).requires_grad_(False)

    def fit(self, folder: Path) -> None:
        """Compute what samples are compared with."""
        part, places = self._part, some_places(len(self._part), KEPT_FEATURES)
        if self.settings.reference in COMPUTED:
            kept, pixels = list[NDArray[np.float32]](), hashlib.sha256()
            mean, covariance, count = running_moments(self._features_of(part.values, places, kept, pixels))
            features: NDArray[np.generic] = np.concatenate(kept)
            name = f"{self.settings.reference}-{pixels.hexdigest()[:12]}"  # of what no machine rounds otherwise
        else:
            mean, covariance, count = _statistics(Path(self.settings.reference))
            features = self.features(part.values[places])
            name = f"{Path(self.settings.reference).name}-{_digest(mean, covariance)}"
        for file, values in ((MEAN, mean), (COVARIANCE, covariance), (KEPT, features)):
            write_array(folder / file, values)
        write_json(folder / FACTS, {"count": count, "name": name, "mode": self.settings.mode})

    def load(self, folder: Path) -> None:
        """Read it."""
        facts = read_json(folder / FACTS)
        mean, covariance = (read_array(folder / name).astype(np.float64) for name in (MEAN, COVARIANCE))
        self._target = Target(mean, covariance, facts["count"], facts["name"])
        self._kept = read_array(folder / KEPT)

    def features(self, samples: Array) -> NDArray[np.generic]:
        """uint8 images [N, C, H, W] -> float32 [N, 2048]."""
        return featured(samples, self.settings.batch, self._block)

    def real_features(self, reference: Labelled) -> NDArray[np.generic]:
        """Those that are kept."""
        return self._kept

    def real_labels(self, reference: Labelled) -> Labels | None:
        """The classes of the images whose features are kept, which are not those to report by where it is `training`."""
        labels = self._part.labels
        return None if labels is None else some(labels, KEPT_FEATURES)

    def target(self) -> Target | None:
        """The reference's moments."""
        return self._target

    def digest(self, folder: Path) -> str:
        """The mode, and the digest of the weights."""
        return f"{self.settings.mode}-{(self.settings.digest or DIGEST)[:12]}"

    @property
    def _part(self) -> Labelled:
        """The images that are compared with; statistics are taken for those of the training images, which EDM's are."""
        return self.finite.training if self.compares_with_training else self.finite.reference

    def _features_of(
        self, values: Array, places: NDArray[np.int64], kept: list[NDArray[np.float32]], pixels: "hashlib._Hash"
    ) -> Iterator[NDArray[np.float32]]:
        """Features in blocks; those at `places` are added to `kept`, and all images to the hash `pixels`."""
        first = 0
        for block in in_blocks(values, self.settings.batch):
            pixels.update(block.tobytes())
            features = self._block(block)
            kept.append(features[places[(first <= places) & (places < first + len(block))] - first])
            first += len(block)
            yield features

    @in_float32()
    def _block(self, images: Array) -> NDArray[np.float32]:
        import torch

        from pipeline.inception.resizing import clean, coloured, legacy_tensorflow

        rgb, device = coloured(images), self.device()
        with torch.inference_mode():
            if self.settings.mode == "clean":
                resized = clean(rgb).to(device)
            else:
                resized = legacy_tensorflow(torch.from_numpy(rgb).to(device))
            features: NDArray[np.float32] = self.network(resized).cpu().numpy()
        return features


def _statistics(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """`mu` [2048] and `sigma` [2048, 2048] of an .npz, as EDM publishes them, and its `count`, else 0. Raises BadInput."""
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, covariance = file["mu"].astype(np.float64), file["sigma"].astype(np.float64)
            count = int(file["count"]) if "count" in file else 0
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        said = f"training, reference, or the path of an .npz with mu and sigma ({error})"
        raise BadInput(f"evaluation.extractor.reference: {str(path)!r} is not allowed: {said}") from None
    if mean.shape != (FEATURES,) or covariance.shape != (FEATURES, FEATURES):
        raise BadInput(f"evaluation.extractor.reference: {path}: mu and sigma are {mean.shape} and {covariance.shape}")
    return mean, covariance, count


def _digest(*arrays: NDArray[np.float64]) -> str:
    return hashlib.sha256(json.dumps([hashlib.sha256(each.tobytes()).hexdigest() for each in arrays]).encode()).hexdigest()[:12]

"""Features by any TorchScript file: DINOv2, CLIP, or a network of one's own."""

import warnings
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled
from pipeline.data.truth import Points
from pipeline.distance.blocks import featured, in_float32
from pipeline.distance.extractor import Extractor
from pipeline.experiment.errors import BadInput, RunFailed, in_a_line
from pipeline.experiment.kinds import EXTRACTORS, Count
from pipeline.experiment.patterns import DIGEST
from pipeline.experiment.sections import ExtractorSettings
from pipeline.inception.weights import checked
from pipeline.storage.files import read_array, write_array

KEPT = "features.npy"


class Settings(ExtractorSettings):
    """`path` of a TorchScript file that turns uint8 images [B, C, H, W] into features [B, D], and its SHA-256, `digest`.

    A TorchScript file is a program: name only one that you trust.
    """

    path: Annotated[str, Field(min_length=1)]
    digest: Annotated[str, Field(pattern=DIGEST)]
    batch: Count = 100
    needs_images: ClassVar[bool] = True

    @property
    def reads(self) -> list[str]:
        """The program, which its digest names in recipes."""
        return [self.path]

    def check_files(self) -> None:
        """Raise BadInput for a missing file or another digest."""
        if not Path(self.path).is_file():
            raise BadInput(f"evaluation.extractor.path: there is no {self.path}")
        checked(Path(self.path), self.digest)


@EXTRACTORS.register("torchscript", Settings)
class TorchScript(Extractor):
    """The file's features; those of the real samples to report by are computed once for a data set."""

    files = (KEPT,)

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        import torch  # noqa: F401 (before threads and kernels are fixed: `pipeline.experiment.machine.fix`)

        super().__init__(settings, source)
        if not isinstance(source, Finite) or source.training.values.dtype != np.uint8:
            raise BadInput("evaluation.extractor: torchscript is not allowed: it needs images")
        self.finite = source

    @cached_property
    def network(self) -> Any:
        """The program. Raises BadInput for a missing file or another digest, and RunFailed for what is no TorchScript."""
        import torch

        path = Path(self.settings.path)
        self.settings.check_files()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                return torch.jit.load(path, map_location=self.device()).eval()
        except RuntimeError as error:
            raise RunFailed(f"{path} is no TorchScript file: {in_a_line(error)}") from None

    def fit(self, folder: Path) -> None:
        """Compute the features of the real samples to report by."""
        write_array(folder / KEPT, self.features(self.finite.reference.values))

    def load(self, folder: Path) -> None:
        """Read them."""
        self._kept = read_array(folder / KEPT)

    def real_features(self, reference: Labelled) -> NDArray[np.generic]:
        """Those that are kept."""
        return self._kept

    def digest(self, folder: Path) -> str:
        """The file's."""
        return str(self.settings.digest[:12])

    def features(self, samples: Array) -> NDArray[np.generic]:
        """uint8 images [N, C, H, W] -> float32 [N, D]."""
        return featured(samples, self.settings.batch, self._block)

    @in_float32()
    def _block(self, images: Array) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            given: NDArray[np.float32] = self.network(torch.from_numpy(images).to(self.device())).float().cpu().numpy()
        if given.ndim != 2 or len(given) != len(images):
            raise ArithmeticError(f"{self.settings.path} gives {list(given.shape)} for {len(images)} images")
        return given

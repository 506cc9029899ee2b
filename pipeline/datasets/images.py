"""A folder or zip of images of your own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.data.finite import Finite
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import DATASETS
from pipeline.images.arrays import labels_beside
from pipeline.images.reading import kept, read
from pipeline.images.settings import ImageSettings, place
from pipeline.images.splitting import split

WHAT = "a folder or zip of images, an .npy or an .npz"


class Settings(ImageSettings):
    """Images at `root`: a folder or zip of images, an .npy or an .npz.

    With `labels` they must have some: class folders, or a dataset.json as EDM's dataset tool writes it. `test` are images to
    report by; without it a fixed split leaves some.
    """

    root: Annotated[str, Field(min_length=1)]
    test: Annotated[str, Field(min_length=1)] | None = None
    labels: bool = False

    @property
    def has_labels(self) -> bool:  # type: ignore[override]
        """Whether they are asked for."""
        return self.labels

    @property
    def files(self) -> list[str]:
        """What the images are read from."""
        given = [self.found((), WHAT), *([self._test] if self._test else [])]
        beside = [labels_beside(path) for path in given if path.suffix.lower() == ".npy"]
        return [str(path) for path in (*given, *(path for path in beside if path.exists()))]

    @property
    def _test(self) -> Path | None:
        return None if self.test is None else place([self.test], "test", WHAT)


@DATASETS.register("images", Settings)
def images(data: Settings, n_held_out: int = 0) -> Finite:
    """`n_real` of the images to train on, the others (or those of `test`) to choose and to report by."""
    root = data.found((), WHAT)
    training, classes = read(root, data)
    test = None if data._test is None else read(data._test, data, classes)[0]
    for part, path in ((training, root), (test, data._test)):
        if data.labels and part is not None and part.labels is None:
            raise BadInput(
                f"data.labels: true is not allowed: {path} has no labels (class folders, a dataset.json with labels, an .npz"
                " with labels, or NAME-labels.npy beside NAME.npy)"
            )
    if test is not None and test.values.shape[1:] != training.values.shape[1:]:
        raise BadInput(f"data.test: images are {list(test.values.shape[1:])}, those of root {list(training.values.shape[1:])}")
    parts = kept(training, data, str(root)), None if test is None else kept(test, data, str(data._test))
    return split(*parts, data.n_real, n_held_out, str(root))

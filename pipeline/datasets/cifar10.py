"""CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test images of ten classes, 32 x 32, RGB."""

from pipeline.data.finite import Finite
from pipeline.experiment.kinds import DATASETS
from pipeline.images.cifar import WHAT, read
from pipeline.images.reading import kept, of_arrays
from pipeline.images.settings import ImageSettings
from pipeline.images.splitting import split

USUAL = "cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"


class Settings(ImageSettings):
    """CIFAR-10 at `root`: its python version, its binary version, or a tar.gz of either. Its test images are to report by."""

    has_labels = True

    @property
    def files(self) -> list[str]:
        """What the images are read from."""
        return [str(self.found(USUAL, WHAT))]


@DATASETS.register("cifar10", Settings)
def cifar10(data: Settings, n_held_out: int = 0) -> Finite:
    """`n_real` of its training images, and its test images."""
    root = data.found(USUAL, WHAT)
    training, test = (kept(of_arrays(*part, data, str(root)), data, str(root)) for part in read(root))
    return split(training, test, data.n_real, n_held_out, str(root))

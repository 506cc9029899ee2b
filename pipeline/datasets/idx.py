"""MNIST, Fashion-MNIST and whatever comes in their files."""

from pipeline.data.finite import Finite
from pipeline.experiment.kinds import DATASETS
from pipeline.images.idx import PARTS, read
from pipeline.images.reading import kept, of_arrays
from pipeline.images.settings import ImageSettings
from pipeline.images.splitting import split

USUAL = "fashion-mnist", "/usr/share/datasets/fashion-mnist"
WHAT = (
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
    " (Fashion-MNIST: Debian's package dataset-fashion-mnist, which make system installs)"
)


class Settings(ImageSettings):
    """IDX files in the folder `root`, gzipped or plain: MNIST's or Fashion-MNIST's four. The t10k images are to report by.

    Without `root`, the folder `fashion-mnist` here or where SELF_CONSUMING_DATA says, or where Debian's package puts it.
    """

    has_labels = True

    @property
    def files(self) -> list[str]:
        """What the images are read from."""
        return [str(self.found(USUAL, WHAT))]


@DATASETS.register("idx", Settings)
def idx(data: Settings, n_held_out: int = 0) -> Finite:
    """`n_real` of the training images, and the test images."""
    root = data.found(USUAL, WHAT)
    parts = (read(root, part, WHAT) for part in PARTS)
    training, test = (kept(of_arrays(*part, data, str(root)), data, str(root)) for part in parts)
    return split(training, test, data.n_real, n_held_out, str(root))

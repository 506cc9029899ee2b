"""FID of the first images of one set against those of another, as the program computes it.

    python benchmarks/inception_parity.py [TRAINING TEST] [--n 1000] [--mode legacy_tensorflow] [--weights FILE --digest SHA256]

TRAINING and TEST are folders, zips, .npy or .npz as `data.kind: images` reads them; without them, CIFAR-10's two parts as
`data.kind: cifar10` finds them (published: 3.15 for all images, --n 0).
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from pipeline.data.finite import Finite
from pipeline.datasets.cifar10 import USUAL
from pipeline.distance.frechet import frechet, running_moments
from pipeline.extractors.inception import Inception, Settings
from pipeline.images import cifar
from pipeline.images.reading import of_arrays, read
from pipeline.images.settings import ImageSettings

BLOCK = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", type=Path, metavar="SET")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--mode", default="legacy_tensorflow", choices=["legacy_tensorflow", "clean"])
    parser.add_argument("--weights")
    parser.add_argument("--digest")
    given = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    settings = Settings(mode=given.mode, weights=given.weights, digest=given.digest)
    wanted = ImageSettings(n_real=2)
    if given.sets:
        whole = [read(path, wanted) for path in given.sets]
    else:
        whole = [of_arrays(*part, wanted, "CIFAR-10") for part in cifar.read(wanted.found(USUAL, cifar.WHAT))]
    parts = [part[: given.n or None] for part in whole]
    extractor = Inception(settings, Finite(parts[0], parts[1]))
    extractor.device = lambda: torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began, moments, counts = time.perf_counter(), [], []
    for part in parts:
        starts = range(0, len(part), BLOCK)
        blocks = (extractor.features(np.asarray(part.values[start : start + BLOCK])) for start in starts)
        mean, covariance, n = running_moments(blocks)
        moments += [mean, covariance]
        counts.append(n)
    seconds = time.perf_counter() - began
    distance = frechet(*moments)
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    rate = f"{sum(counts) / seconds:.0f} images/s, {name}"
    print(f"{given.mode}: FID {distance:.4f} of {counts[0]} against {counts[1]} images; {rate}")


if __name__ == "__main__":
    main()

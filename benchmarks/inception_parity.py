"""FID of the first images of one set against those of another, as the program computes it: CIFAR-10's published 3.15, say.

    python benchmarks/inception_parity.py TRAINING TEST [--n 1000] [--mode legacy_tensorflow] [--weights FILE --digest SHA256]

TRAINING and TEST are folders, zips, .npy or .npz as `data.kind: images` reads them. With --n 0 all images are taken.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from pipeline.data.finite import Finite
from pipeline.distance.frechet import frechet, running_moments
from pipeline.extractors.inception import Inception, Settings
from pipeline.images.reading import read
from pipeline.images.settings import ImageSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs=2, type=Path, metavar="SET")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--mode", default="legacy_tensorflow", choices=["legacy_tensorflow", "clean"])
    parser.add_argument("--weights")
    parser.add_argument("--digest")
    given = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    settings = Settings(mode=given.mode, weights=given.weights, digest=given.digest)
    parts = [read(path, ImageSettings(n_real=2))[: given.n or None] for path in given.sets]
    extractor = Inception(settings, Finite(parts[0], parts[1]))
    extractor.device = lambda: torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began, moments, counts = time.perf_counter(), [], []
    for part in parts:
        mean, covariance, n = running_moments(
            extractor.features(np.asarray(part.values[i : i + 1000])) for i in range(0, len(part), 1000)
        )
        moments += [mean, covariance]
        counts.append(n)
    seconds = time.perf_counter() - began
    distance = frechet(*moments)
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(
        f"{given.mode}: FID {distance:.4f} of {counts[0]} against {counts[1]} images; {sum(counts) / seconds:.0f} images/s, {name}"
    )


if __name__ == "__main__":
    main()

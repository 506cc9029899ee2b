"""What the miniature presets read, made here in the real formats: `python tests/miniatures.py [FOLDER]`.

Into FOLDER/miniatures (here, when not given): CIFAR-10's binary version, zips as EDM's dataset tool writes them, network
pickles as EDM and EDM2 publish them with random weights, and what import-checkpoint makes of these. The extractor's file is a
small random network in TorchScript; its FIDs are figures of nothing.
"""

import io
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from published_files import built, snapshot, write

from models.pretrained import PREFIX, network_of, type_of
from pipeline.published.importing import import_checkpoint

FOLDER = "miniatures"
FEATURES = Path(__file__).with_name("miniature_features.pt")
SIDE, CLASSES = 64, 4
EDM: dict[str, Any] = {
    "img_channels": 3,
    "label_dim": 0,
    "augment_dim": 9,
    "model_type": "SongUNet",
    "embedding_type": "positional",
    "encoder_type": "standard",
    "decoder_type": "standard",
    "channel_mult_noise": 1,
    "resample_filter": [1, 1],
    "num_blocks": 1,
    "sigma_data": 0.5,
    "use_fp16": False,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "cifar10": EDM | {"img_resolution": 32, "model_channels": 16, "channel_mult": [1, 1], "attn_resolutions": [16]},
    "ffhq64": EDM | {"img_resolution": SIDE // 2, "model_channels": 8, "channel_mult": [1, 2], "attn_resolutions": [16]},
    "imagenet64": {
        "img_resolution": SIDE // 2,
        "img_channels": 3,
        "label_dim": CLASSES,
        "model_channels": 8,
        "channel_mult": [1, 2],
        "num_blocks": 1,
        "attn_resolutions": [16],
        "channels_per_head": 4,
        "sigma_data": 0.5,
        "use_fp16": False,
    },
    "imagenet64-guide": {},
}
"""Constructor arguments of the networks in the pickles, for images of half the side."""
NETWORKS["imagenet64-guide"] = NETWORKS["imagenet64"] | {"model_channels": 4}


def make(folder: Path) -> Path:
    """Make all of them below a folder; gives the folder that they lie in."""
    made, rng = folder / FOLDER, np.random.default_rng(0)
    made.mkdir(parents=True, exist_ok=True)
    write_cifar10(made / "cifar-10-batches-bin", rng)
    write_zip(made / "ffhq-64x64.zip", rng, labelled=False)
    write_zip(made / "imagenet-64x64.zip", rng, labelled=True)
    shutil.copy(FEATURES, made / "features.pt")
    for name in NETWORKS:
        import_checkpoint(write_checkpoint(made / f"{name}.pkl", NETWORKS[name]))
    return made


def images(rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
    """[count, 3, side, side]: a colour that drifts over each image, and noise."""
    ramp = np.linspace(0, 1, side)
    drift = rng.uniform(-80, 80, (count, 3, 1, 1)) * ramp + rng.uniform(-80, 80, (count, 3, 1, 1)) * ramp[:, None]
    drawn: NDArray[np.uint8] = (128 + drift + rng.normal(0, 10, (count, 3, side, side))).clip(0, 255).astype(np.uint8)
    return drawn


def write_cifar10(folder: Path, rng: np.random.Generator, count: int = 20) -> None:
    """The binary version: six files of rows, a label and the planes of red, green and blue."""
    folder.mkdir(exist_ok=True)
    for name in [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]:
        labels = rng.integers(0, 10, (count, 1)).astype(np.uint8)
        (folder / name).write_bytes(np.hstack([labels, images(rng, count, 32).reshape(count, -1)]).tobytes())


def write_zip(path: Path, rng: np.random.Generator, labelled: bool, count: int = 80) -> None:
    """A zip of PNGs with dataset.json, stored uncompressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        names = [f"{number // 1000:05d}/img{number:08d}.png" for number in range(count)]
        for name, picture in zip(names, images(rng, count, SIDE)):
            buffer = io.BytesIO()
            Image.fromarray(picture.transpose(1, 2, 0)).save(buffer, format="png", compress_level=0)
            archive.writestr(zipfile.ZipInfo(name), buffer.getvalue())
        labels = [[name, number % CLASSES] for number, name in enumerate(names)] if labelled else None
        archive.writestr(zipfile.ZipInfo("dataset.json"), json.dumps({"labels": labels}))


def write_checkpoint(path: Path, arguments: dict[str, Any]) -> Path:
    """A published pickle of a network with random weights."""
    edm2 = type_of(arguments) == "EDM2"
    torch.manual_seed(0)
    weights = network_of(arguments).state_dict()
    for name, value in weights.items():
        if not name.endswith(("freqs", "phases")):
            value += torch.randn_like(value) / 20  # what is 0 at first would give the same samples whatever is guided
    named = {name if edm2 else f"{PREFIX}{name}": value for name, value in weights.items()}
    return write(path, snapshot(built(arguments, named), edm2))


if __name__ == "__main__":
    print(make(Path(sys.argv[1] if len(sys.argv) > 1 else os.curdir)))

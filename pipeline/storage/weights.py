"""Weights as safetensors files, which cannot hold code."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pipeline.experiment.errors import RunFailed


def weights(module: nn.Module) -> bytes:
    """The weights as the content of a safetensors file."""
    return save({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a safetensors file into a module. Raises RunFailed for a damaged or unfitting one."""
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise RunFailed(f"{path} is no valid weights file: {' '.join(str(error).split())}") from None

"""Weights as safetensors files, which cannot hold code."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.experiment.errors import RunFailed
from pipeline.storage.tensors import Entry, read_header

KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Safetensors' names of torch's types."""


def weights(module: nn.Module) -> bytes:
    """The weights as the content of a safetensors file."""
    return save({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a safetensors file into a module on the CPU, a tensor at a time and straight into its place.

    A memory map of the file would count as memory beside the module's. Raises RunFailed for a damaged or unfitting file.
    """
    try:
        entries = read_header(path).entries
    except SafetensorError as error:
        raise RunFailed(f"{path} is no valid weights file: {' '.join(str(error).split())}") from None
    state = module.state_dict()
    if wrong := difference(state, entries):
        raise RunFailed(f"{path} is no valid weights file: {wrong}")
    with path.open("rb", buffering=0) as file:
        for name, value in state.items():
            file.seek(entries[name].start)
            numbers = value if value.is_contiguous() else torch.empty_like(value, memory_format=torch.contiguous_format)
            room = memoryview(numbers.detach().reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
            while room:
                room = room[_read(file.readinto(room), path) :]
            if numbers is not value:
                value.copy_(numbers)


def difference(state: dict[str, Tensor], entries: dict[str, Entry]) -> str | None:
    """How a file differs from a module, in words: the first tensor that it lacks, or that is too many, or other."""
    for name in state:
        if name not in entries:
            return f"it has no {name}"
    for name, entry in entries.items():
        if name not in state:
            return f"it has {name}, which the network has not"
        if entry.shape != tuple(state[name].shape):
            return f"its {name} has shape {list(entry.shape)}, the network's {list(state[name].shape)}"
        if entry.kind != KINDS.get(state[name].dtype):
            return f"its {name} is {entry.kind}, not {KINDS.get(state[name].dtype)}"
    return None


def _read(count: int | None, path: Path) -> int:
    if not count:
        raise RunFailed(f"{path} is no valid weights file: it is cut short")
    return count

"""A published network becomes a checkpoint of ours: safetensors with its settings, which `base: {checkpoint: PATH}` takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from models.pretrained import kind_of, network_of, our_name, settings_of, shape_of
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.experiment.sections import Noise
from pipeline.published.network import Published, read_published
from pipeline.published.tensors import Tensor
from pipeline.storage.tensors import SafetensorError, read_header, write_tensors

NETWORK, NOISE, SHAPE, CLASSES, ORIGIN = "network", "noise", "shape", "classes", "origin"
"""What the file's metadata have, as JSON."""
WITHIN = "network."
"""Where the network is in our denoiser."""
SMALLEST = 2
"""Bytes of a number in a file."""


def import_checkpoint(source: Path, target: Path | None = None) -> str:
    """Write a published network as our checkpoint; gives the settings that belong to it, as YAML. Raises BadInput."""
    target = target or _beside(source)
    try:
        _check_target(source, target)
        found = read_published(source)
        settings, tensors = _fitting(found, source.stat().st_size)
        noise = Noise.model_validate(found.noise).model_dump(exclude_none=True)
        (shape, classes), kind = shape_of(found.arguments), kind_of(found.arguments)
        network = {"kind": kind} | settings.model_dump(exclude_none=True)
        said = {NETWORK: network, NOISE: noise, SHAPE: shape, CLASSES: classes, ORIGIN: found.origin}
        with source.open("rb") as file:
            write_tensors(
                target,
                {name: tensor.shape for name, tensor in tensors.items()},
                lambda name: tensors[name].read(file),
                {key: json.dumps(value, sort_keys=True) for key, value in said.items()},
            )
    except FileNotFoundError:
        raise BadInput(f"{source}: there is no such file") from None
    except (ValidationError, ValueError, RecursionError) as error:
        raise BadInput(f"{source}: is not imported: {_in_a_line(error)}") from None
    labels = f"labels: real  # {classes} classes\n" if classes else ""
    base = f"base: {{checkpoint: {json.dumps(str(target))}}}\n"
    return f"# {found.origin}, samples {list(shape)}\n{_line(NETWORK, network)}{_line(NOISE, noise)}{labels}{base}"


def _fitting(found: Published, size: int) -> tuple[Any, dict[str, Tensor]]:
    """Our settings, and the tensors by our names. Raises ValueError where they are not exactly what the settings ask for."""
    settings = settings_of(found.arguments)
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in network_of(found.arguments).state_dict().items()}
    tensors = {our_name(found.arguments, name): tensor for name, tensor in found.tensors.items()}
    for name in wanted:
        if name not in tensors:
            raise ValueError(f"it has no weights {name}, which its arguments ask for")
    for name, tensor in tensors.items():
        if name not in wanted:
            raise ValueError(f"it has weights {name}, which its arguments do not ask for")
        if tensor.shape != wanted[name]:
            raise ValueError(f"its {name} has shape {list(tensor.shape)}; its arguments ask for {list(wanted[name])}")
    if sum(tensor.numel for tensor in tensors.values()) * SMALLEST > size:
        raise ValueError("its weights are more than it has numbers")
    return settings, {f"{WITHIN}{name}": tensor for name, tensor in tensors.items()}


def _beside(source: Path) -> Path:
    target = source.with_suffix(".safetensors")
    return target if target != source else source.with_name(f"{source.stem}-imported.safetensors")


def _check_target(source: Path, target: Path) -> None:
    """Raise ValueError for a file that is there and that an import has not written."""
    if not source.is_file():
        raise FileNotFoundError
    if target.exists():
        try:
            written = NETWORK in read_header(target).metadata and not target.samefile(source)
        except (SafetensorError, OSError):
            written = False
        if not written:
            raise ValueError(f"{target} is there already; --out names another place")


def _line(key: str, section: Mapping[str, Any]) -> str:
    """A section of params.yaml on a line."""
    return f"{key}: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in section.items())}}}\n"


def _in_a_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {str(first['input'])[:60]!r} is not allowed: {first['msg']}"
    return in_a_line(error)

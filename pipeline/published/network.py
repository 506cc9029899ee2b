"""The network in a published file: its constructor's arguments, its weights (EMA's, where they stay in the file), its noise."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.pretrained import EDM2, arguments_of, noise_of, type_of
from pipeline.published.machine import Machine
from pipeline.published.standins import Modules, Standin
from pipeline.published.storages import Storage
from pipeline.published.tensors import Tensor, contiguous
from pipeline.published.window import Refused, Window
from pipeline.storage.tensors import SafetensorError, read_header

PICKLE, ZIP = b"\x80", b"PK"
EMA, LOSS = "ema", "loss_fn"
STORAGES = {"F16": "Half", "F32": "Float", "F64": "Double", "BF16": "BFloat16"}
"""Torch's names of safetensors' types."""
LOSSES = {"EDMLoss", "EDM2Loss"}
INNER = {"EDMPrecond": "model", "Precond": "unet"}
"""Where the network is within the preconditioned one."""
MOST_TENSORS, MOST_LEVELS = 100_000, 32


@dataclass(frozen=True)
class Published:
    """A network as a file has it: arguments and tensors by the published names, and section `noise`."""

    arguments: dict[str, Any]
    tensors: dict[str, Tensor]
    noise: dict[str, float]
    origin: str


def read_published(path: Path) -> Published:
    """The network in an EDM or EDM2 pickle, or in safetensors beside a JSON file of its arguments. Raises Refused."""
    with path.open("rb") as file:
        beginning = file.read(2)
        if beginning == ZIP:
            raise Refused("it is a zip archive, as torch.save writes; EDM's networks are pickles")
        if beginning[:1] != PICKLE:
            return _from_safetensors(path)
        window = Window(file, 0, os.fstat(file.fileno()).st_size)
        return _from_pickle(Machine(window, Modules(window)).run())


def _from_pickle(content: Any) -> Published:
    if not isinstance(content, dict):
        raise Refused(f"it holds {_described(content)}, not a dictionary with {EMA}")
    network = content.get(EMA)
    if not isinstance(network, Standin) or not network.persistent:
        raise Refused(f"it has no network as {EMA}, but {_described(network) if EMA in content else _keys(content)}")
    state = _state(network)
    arguments = arguments_of(network.name, _plain(state.get("_init_args", ())), _plain(state.get("_init_kwargs", {})))
    inner = state.get("_modules", {}).get(INNER[network.name])
    kind = "UNet" if type_of(arguments) == EDM2 else type_of(arguments)
    if not isinstance(inner, Standin) or inner.name != kind:
        raise Refused(f"its {network.name} has {_described(inner)} where its arguments say {kind}")
    return Published(arguments, dict(_tensors(network)), noise_of(arguments) | _noise(content.get(LOSS)), network.name)


def _noise(loss: Any) -> dict[str, float]:
    """What the loss in the file says of the noise levels in training."""
    if not isinstance(loss, Standin) or not loss.persistent or loss.name not in LOSSES:
        return {}
    found = {ours: _state(loss).get(theirs) for ours, theirs in (("p_mean", "P_mean"), ("p_std", "P_std"))}
    if not all(isinstance(value, int | float) for value in found.values()):
        raise Refused(f"its {loss.name} has no P_mean and P_std")
    return {name: float(value) for name, value in found.items()}  # type: ignore[arg-type]


def _tensors(network: Standin) -> Iterator[tuple[str, Tensor]]:
    """All parameters and kept buffers, by their names, as torch names them."""
    waiting, found = [("", network, 0)], 0
    while waiting:
        prefix, module, level = waiting.pop()
        state = _state(module)
        omitted = state.get("_non_persistent_buffers_set", set())
        for section in ("_parameters", "_buffers"):
            for name, value in _dictionary(state, section, module).items():
                if value is None or (section == "_buffers" and name in omitted):
                    continue
                if not isinstance(value, Tensor):
                    raise Refused(f"its {prefix}{name} is {_described(value)}")
                yield f"{prefix}{name}", value
                found += 1
        inner = _dictionary(state, "_modules", module)
        if level == MOST_LEVELS or found + len(waiting) + len(inner) > MOST_TENSORS:
            raise Refused(f"it has more than {MOST_LEVELS} modules in each other, or {MOST_TENSORS} in all")
        for name, each in inner.items():
            if isinstance(each, Standin):
                waiting.append((f"{prefix}{name}.", each, level + 1))
                found += 1
            elif each is not None:
                raise Refused(f"its {prefix}{name} is {_described(each)}, not a module")


def _from_safetensors(path: Path) -> Published:
    """Arguments are in its metadata, or in a JSON file of the same name."""
    try:
        header = read_header(path)
    except SafetensorError:
        raise Refused("it is neither a pickle nor safetensors, or cut short") from None
    if "network" in header.metadata:
        raise Refused("it is a file that import-checkpoint has written: nothing is left to do")
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise Refused(f"its network's arguments are missing: {beside.name} beside it must have them (img_resolution, ...)")
    try:
        arguments = json.loads(beside.read_bytes())
    except (ValueError, RecursionError):
        raise Refused(f"{beside.name} beside it is no JSON") from None
    if not isinstance(arguments, dict):
        raise Refused(f"{beside.name} beside it has no arguments by their names")
    edm2 = any(name.startswith("unet.") for name in header.entries)
    arguments = arguments_of("Precond" if edm2 else "EDMPrecond", (), arguments)
    tensors = dict[str, Tensor]()
    for name, entry in header.entries.items():
        if entry.kind not in STORAGES:
            raise Refused(f"its {name} is {entry.kind}, which has no floating-point numbers")
        tensor = Tensor(Storage(STORAGES[entry.kind], 0, entry.start), 0, entry.shape, contiguous(entry.shape))
        tensors[name] = tensor._replace(storage=tensor.storage._replace(numel=tensor.numel))
    return Published(arguments, tensors, noise_of(arguments), "safetensors")


def _state(module: Standin) -> Mapping[str, Any]:
    if not isinstance(module.state, dict):
        raise Refused(f"its {module.name} has no state")
    return module.state


def _dictionary(state: Mapping[str, Any], key: str, module: Standin) -> dict[str, Any]:
    found = state.get(key)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Refused(f"its {module.name} has no {key}")
    return found


def _plain(value: Any, level: int = 0) -> Any:
    """An argument: texts, numbers, and a few of them in lists and dictionaries. Raises Refused for anything else."""
    if isinstance(value, str | int | float | None):
        return value
    if level < 3 and type(value) in (list, tuple, dict) and len(value) <= 64:
        if isinstance(value, dict):
            return {key: _plain(each, level + 1) for key, each in value.items()}
        return [_plain(each, level + 1) for each in value]
    raise Refused(f"its network's arguments have {_described(value)}")


def _described(value: Any) -> str:
    if isinstance(value, Standin):
        return f"a {value.name[:80]!r}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _keys(content: Mapping[Any, Any]) -> str:
    return f"only {', '.join(repr(key)[:40] for key in list(content)[:8])}" if content else "nothing"

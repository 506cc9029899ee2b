"""Networks in the form in which EDM and EDM2 publish them, made here: pickles of modules that bear the source of their classes.

The names in such a file are those of modules that are not ours (`torch_utils.persistence`, `dnnlib.util`); they exist only
while a test writes one.
"""

import copy
import json
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

PARITY = Path(__file__).parent / "models" / "parity"
CASES = "ddpmpp-uncond", "ddpmpp-cond", "ddpmpp-grey", "ncsnpp-uncond", "adm-cond", "edm2-cond", "edm2-uncond"
SOURCE = "raise RuntimeError('a class of the file was made')\n" * 100
"""In place of the source of the classes."""


def _reconstruct_persistent_obj(meta: Any) -> Any:
    raise RuntimeError("an object of the file was made")


class EasyDict(dict):  # type: ignore[type-arg]
    """A dictionary whose keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Persistent:
    """What an object of EDM's persistent classes is pickled as: a call with its class's source and name, and its state."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._init_args, self._init_kwargs = copy.deepcopy(args), copy.deepcopy(kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        name, state = type(self).__name__, dict(self.__dict__)
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": name, "state": state}
        return _reconstruct_persistent_obj, (meta,), None


def made(name: str, *args: Any, module: bool = True, **kwargs: Any) -> Any:
    """An object of a persistent class of that name."""
    return type(name, (Persistent, nn.Module) if module else (Persistent,), {})(*args, **kwargs)


@contextmanager
def published_modules() -> Iterator[None]:
    """The modules whose names the pickles bear, as long as one is written."""
    for name, value in (("dnnlib.util", EasyDict), ("torch_utils.persistence", _reconstruct_persistent_obj)):
        for each in (name.partition(".")[0], name):
            sys.modules[each] = ModuleType(each)
        setattr(sys.modules[name], value.__name__, value)
        value.__module__ = name
    try:
        yield
    finally:
        for name in ("dnnlib", "dnnlib.util", "torch_utils", "torch_utils.persistence"):
            del sys.modules[name]


def arguments_of(case: str) -> dict[str, Any]:
    """A case's constructor arguments."""
    found: dict[str, Any] = json.loads((PARITY / f"{case}.json").read_text())
    return found


def network(case: str, dtype: torch.dtype = torch.float32) -> Any:
    """The published network of a case of models/parity."""
    return built(arguments_of(case), load_file(PARITY / f"{case}.safetensors"), dtype)


def built(arguments: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> Any:
    """A published network of these weights, its layers in each other as their names say."""
    edm2 = "model_type" not in arguments
    top = made("Precond" if edm2 else "EDMPrecond", **arguments)
    top.sigma_data, top.label_dim = arguments["sigma_data"], arguments["label_dim"]
    kinds = {"unet": "UNet"} if edm2 else {"model": arguments["model_type"]}
    init = {"init_mode": "kaiming_uniform", "init_weight": np.sqrt(1 / 3), "dtype": torch.float32, "channels": np.int64(3)}
    for name, value in weights.items():
        *parents, last = name.split(".")
        place = top
        for index, parent in enumerate(parents):
            if parent not in place._modules:
                made_up = nn.ModuleDict() if parent in ("enc", "dec") else made(kinds.get(parent, "UNetBlock"), 3, init=init)
                place.add_module(parent, made_up)
                if index and parent not in ("enc", "dec"):
                    made_up.register_buffer("resample_filter", None)
                    made_up.activation = nn.SiLU()
            place = place._modules[parent]
        value = value.to(dtype)
        if last in ("freqs", "phases", "resample_filter"):
            place.register_buffer(last, value)
        else:
            place.register_parameter(last, nn.Parameter(value, requires_grad=False))
    return top


def content(case: str, dtype: torch.dtype = torch.float32, **more: Any) -> dict[str, Any]:
    """What a training's snapshot holds, with the network of a case of models/parity."""
    return snapshot(network(case, dtype), case.startswith("edm2"), **more)


def snapshot(ema: Any, edm2: bool, **more: Any) -> dict[str, Any]:
    """What a training's snapshot holds."""
    p_mean, p_std = (-0.4, 1.0) if edm2 else (-1.2, 1.2)
    loss = made("EDM2Loss" if edm2 else "EDMLoss", module=False, P_mean=p_mean, P_std=p_std)
    loss.P_mean, loss.P_std, loss.sigma_data = p_mean, p_std, 0.5
    encoder = made("StandardRGBEncoder", module=False)
    encoder.scale, encoder.device, encoder.sizes = np.float32([0.5, 0.25]), torch.device("cpu"), {1, 2}
    about = EasyDict(class_name="training.dataset.ImageFolderDataset", path="x.zip", use_labels=False, max_size=None)
    return EasyDict(ema=ema, loss_fn=loss, encoder=encoder, dataset_kwargs=about, augment_pipe=None) | more


def write(path: Path, what: Any, protocol: int = 4) -> Path:
    """Pickle something as a published file has it."""
    with published_modules(), path.open("wb") as file:
        pickle.dump(what, file, protocol=protocol)
    return path

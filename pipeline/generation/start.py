"""What a base model starts from other than chance: a checkpoint, that of another's training or of ours, as it is."""

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.storage.tensors import Header, SafetensorError, read_header

if TYPE_CHECKING:
    from models.diffusion.denoiser import Denoiser

KEY = "base.checkpoint"
IMPORT = "self-consuming import-checkpoint makes one of EDM's and EDM2's files"
ONLY_IN_TRAINING = {"dropout", "label_dropout"}
"""Settings of networks that change no weights' meaning: params.yaml may have its own."""


def check_checkpoint(params: Params) -> Header | None:
    """What the checkpoint says of itself; None where there is none. Raises BadInput for one that is not there, or another's.

    The shapes of its weights are for `take_checkpoint`, which knows the data.
    """
    if params.base is None:
        return None
    path = Path(params.base.checkpoint)
    if not path.is_file():
        raise BadInput(f"{KEY}: there is no file {str(path)!r}; {IMPORT}")
    try:
        header = read_header(path)
    except (SafetensorError, ValueError):
        raise BadInput(f"{KEY}: {path} is no safetensors file; {IMPORT}") from None
    told: dict[str, Any] = {key: _read(header, key, path) for key in ("network", "noise") if key in header.metadata}
    ours = {"kind": kind_of(params.network)} | params.network.model_dump(mode="json", exclude_none=True)
    for key, value in _section(told, "network", path).items():
        if key not in ONLY_IN_TRAINING and ours.get(key) != value:
            _refuse(f"network.{key}", ours.get(key), path, value)
    sigma_data = _section(told, "noise", path).get("sigma_data")
    if sigma_data is not None and params.noise.sigma_data not in ("auto", sigma_data):
        _refuse("noise.sigma_data", params.noise.sigma_data, path, sigma_data)
    return header


def take_checkpoint(params: Params, fresh: "Denoiser", shape: tuple[int, ...], classes: int, target: Path) -> None:
    """Copy the checkpoint, where it fits the network `fresh` of the data, to a file. Raises BadInput."""
    from pipeline.storage.weights import difference

    header = check_checkpoint(params)
    assert header is not None
    assert params.base is not None
    path = Path(params.base.checkpoint)
    said = {key: _read(header, key, path) for key in ("shape", "classes") if key in header.metadata}
    if said.get("shape", list(shape)) != list(shape):
        raise BadInput(f"{KEY}: {path} is for samples {said['shape']}, and data.kind {kind_of(params.data)} has {list(shape)}")
    if said.get("classes", classes) != classes:
        told = "is told of none" if not said["classes"] else f"is told of {said['classes']}"
        raise BadInput(f"{KEY}: {path} {told}, and by labels {params.labels!r} models are told of {classes} classes")
    sigma_data = _section({"noise": _read(header, "noise", path)}, "noise", path).get("sigma_data", fresh.sigma_data)
    if not math.isclose(sigma_data, fresh.sigma_data, rel_tol=1e-6):
        _refuse("noise.sigma_data", fresh.sigma_data, path, sigma_data)
    if wrong := difference(fresh.state_dict(), header.entries):
        raise BadInput(f"{KEY}: {path} does not fit network.kind {kind_of(params.network)}: {wrong}")
    shutil.copyfile(path, target)


def _refuse(key: str, value: Any, path: Path, other: Any) -> None:
    raise BadInput(f"{key}: {value!r} is not allowed: {KEY} {path} has {other!r}")


def _read(header: Header, key: str, path: Path) -> Any:
    """One of the checkpoint's metadata; an empty section where there is none."""
    try:
        return json.loads(header.metadata.get(key, "{}"))
    except (ValueError, RecursionError):
        raise BadInput(f"{KEY}: {path} has metadata {key} that are no JSON; {IMPORT}") from None


def _section(told: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    found = told.get(key, {})
    if not isinstance(found, dict):
        raise BadInput(f"{KEY}: {path} has metadata {key} that are no section; {IMPORT}")
    return found

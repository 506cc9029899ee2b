"""What a model starts from other than chance: a checkpoint, that of another's training or of ours, as it is."""

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.storage.tensors import Header, SafetensorError, read_header

if TYPE_CHECKING:
    from models.diffusion.denoiser import Denoiser

BASE_KEY = "base.checkpoint"
IMPORT = "self-consuming import-checkpoint makes one of EDM's and EDM2's files"
ONLY_IN_TRAINING = {"dropout", "label_dropout"}
"""Settings of networks that change no weights' meaning: params.yaml may have its own."""


def guide_key(arm: str) -> str:
    """Where params.yaml names the checkpoint that is an arm's second model."""
    return f"arms.{arm}.guide.checkpoint"


def check_checkpoints(params: Params) -> None:
    """Look at what the checkpoints say of themselves. Raises BadInput, which names all that are not there or another's.

    The shapes of their weights are for `take_checkpoint`, which knows the data.
    """
    wrong = list[str]()
    for arm in (None, *(name for name, arm in params.arms.items() if arm.guide and arm.guide.checkpoint)):
        try:
            _check_one(params, arm)
        except BadInput as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput("; ".join(wrong))


def _check_one(params: Params, arm: str | None) -> None:
    """The base model's checkpoint, or that of an arm's guide."""
    given = params.base if arm is None else params.arms[arm].guide
    if given is not None and given.checkpoint:
        key, path = BASE_KEY if arm is None else guide_key(arm), Path(given.checkpoint)
        _header(key, path, given.source)
        _check(params if arm is None else guide_params(params, arm), key, path)


def guide_params(params: Params, arm: str) -> Params:
    """The params with the network of an arm's second model. Raises BadInput for a checkpoint of another kind.

    It is the base's, but for the sizes that the arm gives; a checkpoint with metadata says itself what it is.
    """
    guide = params.arms[arm].guide
    if guide is None:
        return params
    network, key = params.network, guide_key(arm)
    if guide.checkpoint:
        path = Path(guide.checkpoint)
        said = _section({"network": _read(_header(key, path), key, "network", path)}, key, "network", path)
        if said and said.get("kind") != kind_of(network):
            _refuse("network.kind", kind_of(network), key, path, said.get("kind"))
        try:
            network = type(network).model_validate(network.model_dump(mode="json", exclude_none=True) | said)
        except ValidationError as error:
            raise BadInput(f"{key}: {path} has metadata network that are no network's: {in_a_line(error)}") from None
    return params.model_copy(update={"network": network.model_copy(update=guide.sizes)})


def take_checkpoint(
    params: Params, key: str, file: str, fresh: "Denoiser", shape: tuple[int, ...], classes: int, target: Path
) -> None:
    """Copy the checkpoint, where it fits the network `fresh` of the data, to a file. Raises BadInput."""
    from pipeline.storage.weights import difference

    path = Path(file)
    header = _check(params, key, path)
    said = {name: _read(header, key, name, path) for name in ("shape", "classes") if name in header.metadata}
    if said.get("shape", list(shape)) != list(shape):
        raise BadInput(f"{key}: {path} is for samples {said['shape']}, and data.kind {kind_of(params.data)} has {list(shape)}")
    if said.get("classes", classes) != classes:
        told = "is told of none" if not said["classes"] else f"is told of {said['classes']}"
        raise BadInput(f"{key}: {path} {told}, and by labels {params.labels!r} models are told of {classes} classes")
    noise = _section({"noise": _read(header, key, "noise", path)}, key, "noise", path)
    sigma_data = noise.get("sigma_data", fresh.sigma_data)
    if not math.isclose(sigma_data, fresh.sigma_data, rel_tol=1e-6):
        _refuse("noise.sigma_data", fresh.sigma_data, key, path, sigma_data)
    if wrong := difference(fresh.state_dict(), header.entries):
        raise BadInput(f"{key}: {path} does not fit network.kind {kind_of(params.network)}: {wrong}")
    shutil.copyfile(path, target)


def _check(params: Params, key: str, path: Path) -> Header:
    header = _header(key, path)
    told: dict[str, Any] = {name: _read(header, key, name, path) for name in ("network", "noise") if name in header.metadata}
    ours = {"kind": kind_of(params.network)} | params.network.model_dump(mode="json", exclude_none=True)
    for name, value in _section(told, key, "network", path).items():
        if name not in ONLY_IN_TRAINING and ours.get(name) != value:
            _refuse(f"network.{name}", ours.get(name), key, path, value)
    sigma_data = _section(told, key, "noise", path).get("sigma_data")
    if sigma_data is not None and params.noise.sigma_data not in ("auto", sigma_data):
        _refuse("noise.sigma_data", params.noise.sigma_data, key, path, sigma_data)
    return header


def _header(key: str, path: Path, source: str | None = None) -> Header:
    if not path.is_file():
        raise BadInput(f"{key}: there is no file {str(path)!r}{f': {source}' if source else f'; {IMPORT}'}")
    try:
        return read_header(path)
    except (SafetensorError, ValueError):
        raise BadInput(f"{key}: {path} is no safetensors file; {IMPORT}") from None


def _refuse(name: str, value: Any, key: str, path: Path, other: Any) -> None:
    raise BadInput(f"{name}: {value!r} is not allowed: {key} {path} has {other!r}")


def _read(header: Header, key: str, name: str, path: Path) -> Any:
    """One of the checkpoint's metadata; an empty section where there is none."""
    try:
        return json.loads(header.metadata.get(name, "{}"))
    except (ValueError, RecursionError):
        raise BadInput(f"{key}: {path} has metadata {name} that are no JSON; {IMPORT}") from None


def _section(told: dict[str, Any], key: str, name: str, path: Path) -> dict[str, Any]:
    found = told.get(name, {})
    if not isinstance(found, dict):
        raise BadInput(f"{key}: {path} has metadata {name} that are no section; {IMPORT}")
    return found

"""params.yaml as it was understood."""

from typing import Any

from pipeline.data import noise
from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params


def resolved(params: Params, beforehand: bool = False) -> dict[str, Any]:
    """With defaults, with the device that `auto` gives on this machine, and with the noise levels of training.

    What is known `beforehand` does not change when a finite set has been read, whose spread the noise may follow.
    """
    found = params.model_dump(mode="json", exclude_none=True) | {"device": resolved_device(params)}
    if beforehand and params.noise.sigma_data == "auto" and not params.data.has_truth:
        return found
    return found | {"noise": found["noise"] | noise.resolved(params)}


def resolved_device(params: Params) -> str:
    """The device, also where `auto` chooses it."""
    return str(device_of(params)) if params.device == "auto" else params.device

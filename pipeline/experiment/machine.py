"""What of this machine is used: the device, how many chains run at once, and the threads of each."""

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import NETWORKS, Section
from pipeline.experiment.params import Params

if TYPE_CHECKING:
    import torch


TINY = 10**7
"""Multiplications of a batch's forward pass below which `auto` takes the CPU (measured on an H200: benchmarks/gpu.py)."""
WORDS = {"fp32": "float32", "tf32": "tf32", "bf16": "bfloat16", "fp16": "float16"}
"""The precisions as they are recorded."""


def device_of(params: Params) -> "torch.device":
    """The device to compute on; raises BadInput when params.yaml asks for one that is not there."""
    import torch

    found = _cuda_devices()
    if params.device == "auto":
        return torch.device("cuda" if found and not _is_tiny(params) else "cpu")
    device = torch.device(params.device)
    if device.type == "cuda" and (device.index or 0) >= found:
        raise BadInput(
            f"device: {params.device!r} is not allowed: this machine has {found} CUDA devices; auto and cpu always work"
        )
    return device


def judging_device(params: Params) -> "torch.device":
    """Where features are computed: as `device_of`, but `auto` takes a GPU however small the network that is trained is."""
    import torch

    return torch.device("cuda") if params.device == "auto" and _cuda_devices() else device_of(params)


def environment(params: Params, changed: Sequence[int] = ()) -> dict[str, str]:
    """What changes bits beyond params.yaml: kind of device, precision, torch and number of processes, in words.

    `changed`: the numbers of processes, one after the other, where there was not one alone.
    """
    kind = device_of(params).type if params.device != "cpu" and _cuda_devices() else "cpu"
    precision = WORDS[params.engine.precision] + (", compiled" if params.engine.compile else "")
    count = params.engine.processes
    processes = f"{' then '.join(map(str, changed or [count]))} process{'es' if changed or count > 1 else ''}"
    return {"environment": f"{kind}, {precision}, torch {version('torch').partition('+')[0]}, {processes}"}


def check_processes(params: Params) -> None:
    """Raise BadInput where this machine has fewer GPUs than a chain has processes, each of which needs its own."""
    count, found = params.engine.processes, _cuda_devices()
    if count > 1 and params.engine.kind == "processes" and device_of(params).type == "cuda" and count > found:
        raise BadInput(f"engine.processes_per_chain: {count} is not allowed: this machine has {found} CUDA devices")


def device_pool(params: Params) -> list[str]:
    """The GPUs of each chain at a time, as CUDA_VISIBLE_DEVICES names them; none for the CPU or one certain device."""
    found = _cuda_devices() if params.device in ("auto", "cuda") else 0
    if not found or (params.device == "auto" and _is_tiny(params)):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",")[:found] if visible else [str(index) for index in range(found)]
    each = min(params.engine.processes, found)
    return [",".join(names[first : first + each]) for first in range(0, found - each + 1, each)]


def workers(params: Params) -> int:
    """How many chains run at once: engine.workers, or one for each GPU, or the cores divided by the threads of each."""
    given, threads = params.engine.workers, params.engine.threads
    each = params.engine.processes * (1 if threads == "auto" else threads)
    return given if given != "auto" else len(device_pool(params)) or max(1, _cores() // each)


def threads(params: Params) -> int:
    """The threads of each of a chain's processes: engine.threads, or the cores divided by all that run at once."""
    given = params.engine.threads
    return given if given != "auto" else max(1, _cores() // (workers(params) * params.engine.processes))


def cores_of_chain(params: Params) -> int:
    """The threads of all of a chain's processes."""
    return threads(params) * params.engine.processes


def fix(params: Params, count: int | None = None) -> None:
    """Fix, for this process, what changes bits: the thread count, and the choice of deterministic kernels.

    Those of torch where this process has it: judging points needs none, and starts three times as fast. `count`: threads, if
    not params.yaml's.
    """
    _fix(count or threads(params), "torch" in sys.modules, params.engine.precision)


@cache
def _fix(count: int, with_torch: bool, precision: str) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # no kernel is chosen by timing it
    threadpool_limits(count)
    if with_torch:
        import torch

        torch.set_num_threads(count)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import the compiler: a second or two


def _is_tiny(params: Params) -> bool:
    """Whether a training step is so small that a GPU spends it waiting for kernels to be launched, and the CPU is faster."""
    settings = params.network
    if not isinstance(settings, Section):
        settings = NETWORKS.entry(params.kind("network")).settings.model_validate(settings)
    work = getattr(settings, "multiplications", None)
    return work is not None and work * params.train.batch < TINY


def _cuda_devices() -> int:
    """How many there are; where there is no driver, torch need not be asked, which takes two seconds to import."""
    if "torch" not in sys.modules:
        try:
            ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError:
            return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

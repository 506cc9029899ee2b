"""Memory: importing, sampling and training a network of 280 M parameters, over the bytes that it takes at least.

    python benchmarks/memory.py [--channels 192]

EDM2-S (preset `imagenet64`) with random weights, on the CPU: a pickle as EDM2 publishes them is imported, what becomes of it is
loaded and sampled, and it is trained for two steps. Each in a process of its own, whose highest resident memory counts above
that before it began, when the libraries were there. At least: the weights in float32; in training five times these, with
gradients, Adam's two moments and the average. Activations and the model that training starts from come on top.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from comparison import HOME, Table, arguments

from models.diffusion.examples import Held
from models.diffusion.training import train
from pipeline.experiment.params import Params, load
from pipeline.generation import compute
from pipeline.published.importing import import_checkpoint

SHAPE, CLASSES, BATCH = (3, 64, 64), 1000, 1
COPIES = {"import": 1, "sampling": 1, "training": 5}
TARGETS = {"import": 1.3, "sampling": 1.3}
PICKLE, NETWORK = Path("network.pkl"), Path("network.safetensors")
CPU = torch.device("cpu")


def params(channels: int) -> Params:
    """Preset imagenet64, on the CPU, with short samplings and trainings."""
    found = load(HOME / "presets/imagenet64.yaml", root=HOME)
    section = found.train.model_copy(update={"steps": 2, "batch": BATCH, "microbatch": None})
    sampler = found.sampler.model_copy(update={"steps": 2, "block": BATCH})
    network = found.network.model_copy(update={"channels": channels})
    engine = found.engine.model_copy(update={"precision": "fp32", "compile": False})
    changed = {"train": section, "sampler": sampler, "network": network, "engine": engine, "device": "cpu"}
    return found.model_copy(update=changed)


def pickled(channels: int) -> None:
    """Write the pickle, as the tests do."""
    sys.path.insert(0, str(HOME / "tests"))
    from miniatures import write_checkpoint

    data = {"img_resolution": SHAPE[-1], "img_channels": SHAPE[0], "label_dim": CLASSES, "sigma_data": 0.5}
    sizes = {"model_channels": channels, "channel_mult": [1, 2, 3, 4], "num_blocks": 3, "attn_resolutions": [16, 8]}
    write_checkpoint(PICKLE, data | sizes)


def imported(channels: int) -> None:
    import_checkpoint(PICKLE)


def sampled(channels: int) -> None:
    model = compute.load_denoiser(NETWORK, params(channels), SHAPE, CPU, CLASSES)

    def labelled(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return model(x, sigma, torch.eye(CLASSES)[: len(x)])

    compute.draw(labelled, params(channels), SHAPE, 0, 0, BATCH, CPU)


def trained(channels: int) -> None:
    given = params(channels)
    model = compute.load_denoiser(NETWORK, given, SHAPE, CPU, CLASSES)
    images = torch.zeros(8, *SHAPE, dtype=torch.uint8)
    train(model, Held(images, torch.arange(8), CLASSES), compute.budget(given.train, given), lambda stream, index: index)


TASKS = {"pickle": pickled, "import": imported, "sampling": sampled, "training": trained}


def resident(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def of_process(task: str, channels: int, folder: Path) -> int:
    """The bytes that a task takes at most, in a process of its own."""
    paths = os.pathsep.join([str(HOME / "benchmarks"), str(HOME)])
    command = [sys.executable, __file__, "--task", task, "--channels", str(channels)]
    environment = os.environ | {"PYTHONPATH": paths}
    found = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return int(found.stdout.split()[-1])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--channels", type=int, default=192)
    parser.add_argument("--task", choices=TASKS, help="in this process, and the bytes that it takes")
    given = parser.parse_args()
    if given.task:
        before = resident("VmRSS")
        TASKS[given.task](given.channels)
        print(resident("VmHWM") - before)
        return
    table = Table("memory")
    with tempfile.TemporaryDirectory() as folder:
        of_process("pickle", given.channels, Path(folder))
        for task, copies in COPIES.items():
            began = time.perf_counter()
            taken = of_process(task, given.channels, Path(folder))
            least = copies * (Path(folder) / NETWORK).stat().st_size
            said = f"{taken / 2**30:.2f} GiB, at least {least / 2**30:.2f}"
            seconds = time.perf_counter() - began
            table.say(f"{task}: memory", f"{taken / least:.2f} times", said, taken / least, TARGETS.get(task), "<=", seconds)
    table.write(given.out)


if __name__ == "__main__":
    main()

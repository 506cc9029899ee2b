"""How much disk and time an experiment will take, said before they are spent; what does not fit is refused."""

import logging
import os
import shutil
import time
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

from pipeline.data.samples import joined
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.errors import DESPITE, BadInput
from pipeline.experiment.machine import device_of, fix, workers
from pipeline.experiment.params import Params
from pipeline.generation import compute
from pipeline.generation.examples import examples
from pipeline.generation.job import Job, fresh_model
from pipeline.records.repository import Versions
from pipeline.storage.layout import METRICS, Layout

log = logging.getLogger("self-consuming")
WORTH_SECONDS, WORTH_BYTES = 60.0, 10**8
"""Below both nothing is said."""
STEPS, MEASURING_SECONDS = 3, 0.2
"""A training step is measured by so many, or, where they are short, by as many as fill the time."""
HARMLESS = 1e-6
"""A learning rate with which no training diverges: what diverges says so when it is made."""
FLOAT = 4
FORWARD = 1 / 3
"""Share of a training step that the network's forward pass takes."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that are still to be written and kept, and seconds, both about."""

    bytes: int
    seconds: float

    def __str__(self) -> str:
        hours = self.seconds / 3600
        length = f"{hours / 24:.1f} days" if hours > 48 else f"{hours:.1f} hours" if hours > 1 else f"{hours * 60:.0f} minutes"
        return f"about {self.bytes / 1e9:.2f} GB of disk and {length} with checks and judging on top (from a measured step)"


def check_room(versions: Versions, params: Params, wanted: dict[Chain, int]) -> None:
    """Say what the chains will take of disk and time. Raises BadInput where the free disk is less, unless told otherwise."""
    found = estimate(params, wanted, 1 if versions.shares_bytes() else 2)
    free = shutil.disk_usage(Layout(params.experiment).runs).free
    if found.seconds >= WORTH_SECONDS or found.bytes >= WORTH_BYTES:
        log.warning("this will take %s; %.2f GB are free", found, free / 1e9)
    if found.bytes > free and not os.environ.get(DESPITE):
        raise BadInput(
            f"disk: {free / 1e9:.2f} GB are free, and {found.bytes / 1e9:.2f} GB are needed: make room, keep less (keep), or"
            " run --despite-disk"
        )


def estimate(params: Params, wanted: dict[Chain, int], copies: int) -> Estimate:
    """What the generations that are not there yet will take; every file lies there in so many copies."""
    layout, step, size, total, seconds = Layout(params.experiment), *_measured(params, next(iter(wanted))), 0, list[float]()
    for chain, length in wanted.items():
        job = Job(params, chain, 1, Path())
        networks = (2 if job.strategy.second else 1) * size
        samples = (job.n_output + job.n_drawn) * prod(job.shape) * job.real.values.dtype.itemsize
        missing = [t for t in range(1, length + 1) if not (layout.generation(chain, t) / METRICS).exists()]
        if not missing:
            continue
        keep, needed = params.keep, remembered(params, chain, length + 1)
        kept = sum(networks for t in missing if keep is None or keep.keeps_networks(t, length))
        kept += sum(samples for t in missing if keep is None or keep.keeps_samples(t) or t in needed)
        total += kept + 2 * (networks + samples)  # the one that is being made, and the one before it
        seconds.append(len(missing) * _seconds(job, step))
    side_by_side = max(1, min(workers(params), len(seconds)))
    return Estimate(total * copies, max(max(seconds, default=0.0), sum(seconds) / side_by_side))


def _seconds(job: Job, step: float) -> float:
    """Of a generation: training steps, and network evaluations of sampling as shares of a step."""
    params = job.params
    evaluations = (job.n_candidates * job.strategy.networks + job.n_drawn) * params.sampler.evaluations
    return step * (params.training_steps(job.chain.arm) + FORWARD * evaluations / params.train.batch)


@cache
def _measured(params: Params, chain: Chain) -> tuple[float, int]:
    """Seconds of a training step on this machine, and the bytes of a network."""
    from models.diffusion.training import train

    fix(params)
    job = Job(params, chain, 1, Path())
    model = fresh_model(job, "init")
    size = sum(weight.numel() for weight in model.parameters()) * FLOAT
    seen = examples(joined([job.real]), device_of(params), job.classes, False)

    def lasts(steps: int) -> float:
        short = params.train.model_copy(update={"steps": steps, "learning_rate": HARMLESS})
        began = time.perf_counter()
        train(model, seen, compute.budget(short, params), lambda *_: 0)
        return time.perf_counter() - began

    lasts(1)
    one = lasts(1)
    steps = max(STEPS, int(MEASURING_SECONDS / one))
    return max((lasts(1 + steps) - one) / steps, 1e-6), size

"""What a generation will take of disk and time, from one training step that is measured on this machine."""

import time
from functools import cache
from math import prod
from pathlib import Path

from models.diffusion.training import train
from pipeline.data.samples import joined
from pipeline.experiment.chains import Chain
from pipeline.experiment.machine import device_of, fix
from pipeline.experiment.params import Params
from pipeline.generation import compute
from pipeline.generation.examples import examples
from pipeline.generation.job import Job, fresh_model

STEPS, MEASURING_SECONDS = 3, 0.2
"""A training step is measured by so many, or, where they are short, by as many as fill the time."""
HARMLESS = 1e-6
"""A learning rate with which no training diverges: what diverges says so when it is made."""
FLOAT = 4
FORWARD = 1 / 3
"""Share of a training step that the network's forward pass takes."""


def measured(params: Params, chain: Chain, seed: int) -> tuple[int, int, float]:
    """The bytes of a generation's networks and of its samples, and its seconds, by a step on the data of a seed."""
    (step, size), job = _step(params, seed), Job(params, chain, 1, Path())
    networks = (2 if job.strategy.second else 1) * size
    samples = (job.n_output + job.n_drawn) * prod(job.shape) * job.real.values.dtype.itemsize
    return networks, samples, _seconds(job, step)


def _seconds(job: Job, step: float) -> float:
    """Of a generation: training steps, and network evaluations of sampling as shares of a step."""
    params = job.params
    evaluations = (job.n_candidates * job.strategy.networks + job.n_drawn) * params.sampler.evaluations
    return step * (params.training_steps(job.chain.arm) + FORWARD * evaluations / params.train.batch)


@cache
def _step(params: Params, seed: int) -> tuple[float, int]:
    """Seconds of a training step on this machine, and the bytes of a network."""
    fix(params)
    job = Job(params, Chain("base", seed), 1, Path())
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

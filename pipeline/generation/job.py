"""One generation of one chain in the making: what its steps know of it, and how they train, read and sample its models.

Every random stream is named by (seed, purpose, generation, ...), never by the arm.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

import models
from models.diffusion import world
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.examples import CHUNK_STEPS
from models.diffusion.guidance import scaled, within
from models.diffusion.training import Watch, train
from pipeline.data import stored
from pipeline.data.arrays import read_samples, write_stream
from pipeline.data.samples import Array, Labelled, Labels, Pool, encode, joined
from pipeline.experiment.arms import Arm
from pipeline.experiment.budgets import Training
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import STRATEGIES
from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params
from pipeline.experiment.seeds import derive
from pipeline.generation import compute, snapshots
from pipeline.generation.checkpoints import FileCheckpoint, location
from pipeline.generation.classes import Mix, mix, n_classes
from pipeline.generation.examples import digest, examples
from pipeline.generation.start import guide_params
from pipeline.generation.strategies import Strategy
from pipeline.storage.files import read_json, write_json
from pipeline.storage.layout import LOSSES, PROCESSES, Layout
from pipeline.storage.weights import weights
from pipeline.storage.within import Within

LOSS_POINTS = 200
"""At most so many points of a training's loss curve are kept."""


@dataclass(frozen=True)
class Job:
    """One generation of one chain, and the folder in which its files come into being.

    Of several processes each has its own folder; `home` is then the first one's, whose files are kept.
    """

    params: Params
    chain: Chain
    generation: int
    work: Path
    home: Path | None = None

    @property
    def layout(self) -> Layout:
        """The experiment's paths."""
        return Layout(self.params.experiment)

    @property
    def arm(self) -> Arm:
        """The arm's section of params.yaml."""
        return self.params.arms[self.chain.arm]

    @property
    def strategy(self) -> Strategy:
        """By which steps the generation is made."""
        return STRATEGIES[self.arm.strategy]

    @cached_property
    def real(self) -> Labelled:
        """The chain's real training set."""
        return read_samples(stored.real(self.params, self.chain.seed))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample."""
        return self.real.values.shape[1:]

    @cached_property
    def classes(self) -> int:
        """How many classes models are told of; 0 where they are told of none."""
        return n_classes(self.params, self.real.labels)

    @property
    def n_output(self) -> int:
        """How many samples the generation gives: enough to be judged, and enough to be handed on."""
        return max(self.params.handed_on(self.chain.arm, self.generation), self.params.evaluation.n)

    @property
    def n_candidates(self) -> int:
        """How many samples are drawn for the output: more where a hook keeps a share of them."""
        return math.ceil(self.n_output / self.arm.hook.share) if self.arm.hook else self.n_output

    @property
    def n_drawn(self) -> int:
        """How many samples of the base are drawn beside the output: S, that a second model learns from, or is judged beside."""
        auxiliary = self.params.auxiliary.n if self.arm.fine_tunes else 0
        return max(auxiliary, self.params.evaluation.n) if self.strategy.second else 0

    @cached_property
    def second_params(self) -> Params:
        """The params with the second model's network: the arm's guide may have another than the base."""
        return guide_params(self.params, self.chain.arm)

    def evaluations(self, w: float) -> int:
        """How often networks are evaluated for a sample that is guided by w."""
        each, more = self.params.sampler.evaluations, self.strategy.networks - 1
        if not w or not more:
            return each
        if self.arm.interval is None:
            return each * (1 + more)
        levels = compute.noise_levels(self.params, self.shape)
        return each + more * int(within(torch.tensor(levels), self.arm.interval).sum())

    def seed(self, purpose: str, *indices: int) -> int:
        """The seed of a random stream of this generation."""
        return derive(self.chain.seed, purpose, self.generation, *indices)


def fresh_model(job: Job, purpose: str, params: Params | None = None) -> Denoiser:
    """An untrained model, of the generation's random stream `purpose`."""
    return compute.fresh_denoiser(params or job.params, job.shape, job.seed(purpose), job.classes)


def load_model(job: Job, name: str, params: Params | None = None) -> Denoiser:
    """Read a model from the job's folder."""
    return load_model_at(job, job.work / name, params)


def load_model_at(job: Job, path: Path, params: Params | None = None) -> Denoiser:
    """Read a model for the job's samples from any file."""
    return compute.load_denoiser(path, params or job.params, job.shape, device_of(job.params), job.classes)


def draw(job: Job, denoise: Denoise, purpose: str, n: int) -> Labelled:
    """n samples of one of this generation's streams, in the kind of the real data, with the classes that they were drawn of."""
    values = np.concatenate(list(_blocks(job, denoise, purpose, n)))
    return Labelled(values, _classes(job, purpose, n))


def write_drawn(job: Job, denoise: Denoise, purpose: str, n: int, name: str) -> None:
    """Write the same to a file of the job's folder, a block at a time."""
    write_stream(job.work / name, _blocks(job, denoise, purpose, n), n, _classes(job, purpose, n))


def _blocks(job: Job, denoise: Denoise, purpose: str, n: int) -> Iterator[Array]:
    device, done = device_of(job.params), 0
    biased = scaled(denoise, job.arm.zeta or job.params.sampler.zeta)
    with Within(job.work, job.generation, f"draw {purpose}", n) as within:
        for block in compute.draw_blocks(biased, job.params, job.shape, job.seed(purpose), 0, n, device, _mix(job, purpose)):
            done += len(block)
            within.tell(done)
            yield encode(block, job.real.values)


def _classes(job: Job, purpose: str, n: int) -> Labels | None:
    classes = _mix(job, purpose)
    return classes.draw(0, n) if classes else None


def _mix(job: Job, purpose: str) -> Mix | None:
    return mix(job.params, job.real.classes, job.seed(f"{purpose}-labels")) if job.classes else None


def fit_model(
    job: Job, denoiser: Denoiser, data: Labelled | Pool, training: Training, purpose: str, model: str | None = None
) -> Denoiser:
    """Train a copy of a denoiser on samples, with the random streams of this generation that `purpose` names.

    Averages that the training keeps become files beside that of the `model`.
    """
    pool, budget = joined([data]), compute.budget(training, job.params)
    if job.classes and not pool.has_labels:
        raise BadInput(f"labels: {job.params.labels!r} is not allowed: arm {job.chain.arm} gives samples without labels")

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"{purpose}-{stream}", index)

    images, minutes = training.checkpoint_images, training.checkpoint_minutes
    seen = examples(pool, device_of(job.params), job.classes, getattr(job.params.data, "flip", False))
    with Within(job.work, job.generation, purpose, budget.steps * budget.batch) as within:
        watch = Watch(
            checkpoint=_checkpoint(job, denoiser, pool, budget, purpose) if images or minutes else None,
            images=images or math.inf,
            seconds=60 * minutes if minutes else math.inf,
            progress=lambda steps, loss: within.tell(steps * budget.batch, loss),
            snapshots=snapshots.kept(training, job.work, purpose) if model and world.rank() == 0 else None,
        )
        trained = train(denoiser, seen, budget, seed_of, watch)
    if model and world.rank() == 0:
        snapshots.take(training, job.work, purpose, model)
    _add_losses(job, purpose, watch.curve, budget.steps)
    if len(watch.processes) > 1:
        write_json(job.work / PROCESSES, watch.processes)
    return trained


def _checkpoint(job: Job, denoiser: Denoiser, pool: Pool, budget: Budget, purpose: str) -> FileCheckpoint:
    """The file of a training's states, which belongs to code, start, data, settings, random streams and machine."""
    code = b"".join(file.read_bytes() for file in sorted(Path(models.__file__).parent.rglob("*.py")))
    start = weights(denoiser)
    machine = device_of(job.params), job.params.engine.threads, torch.get_num_threads(), torch.__version__
    settings = budget, denoiser.sigma_data, denoiser.arithmetic, job.seed(f"{purpose}-noise", 0), *map(str, machine)
    return FileCheckpoint(location(job.home or job.work, purpose), code, start, digest(pool), repr(settings).encode())


def _add_losses(job: Job, purpose: str, curve: list[float], steps: int) -> None:
    former = read_json(job.work / LOSSES) if (job.work / LOSSES).exists() else {}
    write_json(job.work / LOSSES, former | {purpose: thinned(curve, steps)})


def thinned(curve: list[float], steps: int) -> list[tuple[int, float]]:
    """A training's loss curve as (step, mean loss of the chunk that ends there), LOSS_POINTS at most, the last among them."""
    every = math.ceil(len(curve) / LOSS_POINTS)
    points = [(min(CHUNK_STEPS * (index + 1), steps), loss) for index, loss in enumerate(curve)]
    return points[(len(points) - 1) % every :: every]

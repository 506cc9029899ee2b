"""One generation of one chain in the making: what its steps know of it, and how they train, read and sample its models.

Every random stream is named by (seed, purpose, generation, ...), never by the arm.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

import models
from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.guidance import scaled
from models.diffusion.training import CHUNK_STEPS, Budget
from models.diffusion.training import train as fit
from pipeline.data.samples import Array, decode, encode
from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import STRATEGIES
from pipeline.experiment.machine import device_of
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Arm, Training
from pipeline.experiment.seeds import derive
from pipeline.generation import compute
from pipeline.generation.checkpoints import FileCheckpoint, location
from pipeline.generation.strategies import Strategy
from pipeline.storage.files import read_array, read_json, write_json
from pipeline.storage.layout import LOSSES, Layout
from pipeline.storage.weights import weights

LOSS_POINTS = 200
"""At most so many points of a training's loss curve are kept."""


@dataclass(frozen=True)
class Job:
    """One generation of one chain, and the folder in which its files come into being."""

    params: Params
    chain: Chain
    generation: int
    work: Path

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
    def real(self) -> Array:
        """The chain's real training set."""
        return read_array(self.layout.real(self.chain.seed))

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
        auxiliary = self.params.auxiliary.n if self.strategy.auxiliary else 0
        return max(auxiliary, self.params.evaluation.n) if self.strategy.second else 0

    @property
    def guide_params(self) -> Params:
        """The params with autoguidance's guide for a network: smaller, where the arm says so."""
        guide = self.arm.guide
        sizes = guide.model_dump(include={"width", "depth"}, exclude_none=True) if guide else {}
        return self.params.model_copy(update={"network": self.params.network.model_copy(update=sizes)})

    def seed(self, purpose: str, *indices: int) -> int:
        """The seed of a random stream of this generation."""
        return derive(self.chain.seed, purpose, self.generation, *indices)


def load_model(job: Job, name: str, params: Params | None = None) -> Denoiser:
    """Read a model from the job's folder."""
    return compute.load_denoiser(job.work / name, params or job.params, job.real.shape[1:], device_of(job.params))


def draw(job: Job, denoise: Denoise, purpose: str, n: int) -> Array:
    """n samples of one of this generation's streams, in the kind of the real data."""
    device, real = device_of(job.params), job.real
    biased = scaled(denoise, job.arm.zeta or job.params.sampler.zeta)
    return encode(compute.draw(biased, job.params, real.shape[1:], job.seed(purpose), 0, n, device), real)


def fit_model(job: Job, denoiser: Denoiser, data: Array, training: Training, purpose: str) -> Denoiser:
    """Train a copy of a denoiser on samples, with the random streams of this generation that `purpose` names."""
    tensor = torch.from_numpy(decode(data)).to(device_of(job.params))

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"{purpose}-{stream}", index)

    budget, curve = compute.budget(training, job.params), list[float]()
    every = training.checkpoint_images or 0
    checkpoint = _checkpoint(job, denoiser, data, budget, purpose) if every else None
    trained = fit(denoiser, tensor, budget, seed_of, checkpoint, every, curve)
    _add_losses(job, purpose, curve, training.steps)
    return trained


def _checkpoint(job: Job, denoiser: Denoiser, data: Array, budget: Budget, purpose: str) -> FileCheckpoint:
    """The file of a training's states, which belongs to code, start, data, settings, random streams and machine."""
    code = b"".join(file.read_bytes() for file in sorted(Path(models.__file__).parent.rglob("*.py")))
    start = weights(denoiser)
    machine = device_of(job.params), job.params.engine.threads, torch.get_num_threads(), torch.__version__
    settings = budget, job.params.noise, job.seed(f"{purpose}-noise", 0), *map(str, machine)
    return FileCheckpoint(location(job.work, purpose), code, start, data.tobytes(), repr(settings).encode())


def _add_losses(job: Job, purpose: str, curve: list[float], steps: int) -> None:
    former = read_json(job.work / LOSSES) if (job.work / LOSSES).exists() else {}
    write_json(job.work / LOSSES, former | {purpose: thinned(curve, steps)})


def thinned(curve: list[float], steps: int) -> list[tuple[int, float]]:
    """A training's loss curve as (step, mean loss of the chunk that ends there), LOSS_POINTS at most, the last among them."""
    every = math.ceil(len(curve) / LOSS_POINTS)
    points = [(min(CHUNK_STEPS * (index + 1), steps), loss) for index, loss in enumerate(curve)]
    return points[(len(points) - 1) % every :: every]

"""The steps of a generation. Each reads files, writes files in the job's working folder, and holds no state.

Every random stream is named by (seed, purpose, generation, ...), never by the arm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import models
from models.denoiser import Denoise, Denoiser
from models.guidance import scaled, sims
from models.training import train as fit
from pipeline import compute
from pipeline.chains import Chain
from pipeline.checkpoints import FileCheckpoint
from pipeline.datasets import Array, decode, encode
from pipeline.evaluation import evaluate_samples
from pipeline.files import read_array, write_array, write_bytes, write_json
from pipeline.layout import AUXILIARY, BASE, DRAWN, METRICS, PICTURE, SYNTHETIC, Layout
from pipeline.machine import device_of
from pipeline.mixing import LOOPS
from pipeline.params import Arm, Params, Training
from pipeline.pictures import sample_picture
from pipeline.seeds import derive
from pipeline.strategies import STRATEGIES, Strategy


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
        """How many samples the generation gives: enough to be judged, and enough to train the next one."""
        return max(self.params.n_synthetic, self.params.evaluation.n)

    def seed(self, purpose: str, *indices: int) -> int:
        """The seed of a random stream of this generation."""
        return derive(self.chain.seed, purpose, self.generation, *indices)


def train_base(params: Params, seed: int, work: Path) -> None:
    """Train generation 1's base model of a seed, on real data alone, once for all arms; writes it into the folder `work`."""
    job = Job(params, Chain("base", seed), 1, work)
    _train_from_scratch(job, job.real)


def train(job: Job) -> None:
    """Train the base model on D_t, from scratch (generation 1: take the one that all arms share)."""
    if job.generation == 1:
        shared = job.layout.base(job.chain.seed) / BASE
        write_bytes(job.work / BASE, shared.read_bytes())
        return
    previous = read_array(job.layout.generation(job.chain, job.generation - 1) / SYNTHETIC)
    _train_from_scratch(job, LOOPS[job.arm.loop](job.real, previous[: job.params.n_synthetic]))


def sample(job: Job) -> None:
    """Sample the base model: the output of a standard arm, or SIMS's set S (and enough more to judge the base by)."""
    if job.strategy.guided:
        n = max(job.params.auxiliary.n, job.params.evaluation.n)
        _write_samples(job, DRAWN, _model(job, BASE), "auxiliary", n)
    else:
        _write_samples(job, SYNTHETIC, _model(job, BASE), "synthetic", job.n_output)


def fine_tune(job: Job) -> None:
    """Fine-tune the auxiliary: the base, on its own samples S alone."""
    drawn = read_array(job.work / DRAWN)[: job.params.auxiliary.n]
    auxiliary = _fit(job, _model(job, BASE), drawn, job.params.auxiliary, "fine-tune")
    compute.save_denoiser(job.work / AUXILIARY, auxiliary)


def guided_sample(job: Job) -> None:
    """Sample with negative guidance, (1 + w) D_r - w D_s: SIMS's output."""
    assert job.arm.guidance is not None
    denoise = sims(_model(job, BASE), _model(job, AUXILIARY), job.arm.guidance)
    _write_samples(job, SYNTHETIC, denoise, "synthetic", job.n_output)


def evaluate(job: Job) -> None:
    """Judge the output (and the base's own samples where they differ), and draw a picture of it."""
    params, arm = job.params, job.arm
    output = read_array(job.work / SYNTHETIC)[: params.evaluation.n]
    metrics = evaluate_samples(params, output)
    metrics |= {"fid_base": metrics["fid"], "generation": job.generation}
    evaluations = 2 * params.sampler.steps - 1
    guided = job.strategy.guided
    if guided:
        metrics["fid_base"] = evaluate_samples(params, read_array(job.work / DRAWN)[: params.evaluation.n])["fid"]
        (job.work / DRAWN).unlink()
    metrics["nfe"] = evaluations * (2 if guided and arm.guidance else 1)
    budgets = [params.train, params.auxiliary] if guided else [params.train]
    metrics["images_seen"] = sum(part.steps * part.batch for part in budgets)
    write_json(job.work / METRICS, metrics)
    write_bytes(job.work / PICTURE, sample_picture(params, output))


def _train_from_scratch(job: Job, data: Array) -> None:
    untrained = compute.fresh_denoiser(job.params, data.shape[1:], job.seed("init"))
    compute.save_denoiser(job.work / BASE, _fit(job, untrained, data, job.params.train, "train"))


def _fit(job: Job, denoiser: Denoiser, data: Array, training: Training, purpose: str) -> Denoiser:
    tensor = torch.from_numpy(decode(data)).to(device_of(job.params))

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"{purpose}-{stream}", index)

    budget = compute.budget(training, job.params)
    if training.checkpoint_images is None:
        return fit(denoiser, tensor, budget, seed_of)
    path = job.work.with_name(f"{job.work.name}-{purpose}.safetensors")
    code = b"".join(file.read_bytes() for file in sorted(Path(models.__file__).parent.glob("*.py")))
    start = compute.weights(denoiser)
    checkpoint = FileCheckpoint(path, code, start, data.tobytes(), repr((budget, seed_of("noise", 0))).encode())
    trained = fit(denoiser, tensor, budget, seed_of, checkpoint, training.checkpoint_images)
    checkpoint.remove()
    return trained


def _model(job: Job, name: str) -> Denoiser:
    return compute.load_denoiser(job.work / name, job.params, job.real.shape[1:], device_of(job.params))


def _write_samples(job: Job, name: str, denoise: Denoise, purpose: str, n: int) -> None:
    device, real = device_of(job.params), job.real
    biased = scaled(denoise, job.params.sampler.zeta)
    values: NDArray[np.float32] = compute.draw(biased, job.params, real.shape[1:], job.seed(purpose), 0, n, device)
    write_array(job.work / name, encode(values, real))


STEPS: dict[str, Callable[[Job], None]] = {
    "train": train,
    "sample": sample,
    "fine-tune": fine_tune,
    "guided sample": guided_sample,
    "evaluate": evaluate,
}

"""The steps of a generation. Each reads files, writes files in the job's working folder, and holds no state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.guidance import merged, sims
from pipeline.data.samples import Array
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.extensions import said_of
from pipeline.experiment.kinds import HOOKS, LOOPS, STEPS
from pipeline.experiment.machine import device_of, environment
from pipeline.experiment.params import Params
from pipeline.generation import compute
from pipeline.generation.choosing import CANDIDATES, choose
from pipeline.generation.hooks import Context
from pipeline.generation.job import Job, draw, fit_model, load_model
from pipeline.generation.loops import Sources
from pipeline.storage.files import read_array, read_json, write_array, write_bytes, write_json
from pipeline.storage.layout import AUXILIARY, BASE, CHOICE, DRAWN, ENVIRONMENT, LOSSES, MADE, SYNTHETIC


def train_base(params: Params, seed: int, work: Path) -> None:
    """Train generation 1's base model of a seed, on real data alone, once for all arms; writes it into the folder `work`."""
    job = Job(params, Chain("base", seed), 1, work)
    _train_from_scratch(job, job.real)
    write_json(work / ENVIRONMENT, environment(params))


@STEPS.register("train")
def train(job: Job) -> None:
    """Train the base model on D_t, from scratch or from generation t-1's (generation 1: take the one that all arms share)."""
    if job.generation == 1:
        for name in (BASE, LOSSES):
            write_bytes(job.work / name, (job.layout.base(job.chain.seed) / name).read_bytes())
    elif job.arm.init == "previous":
        former = job.layout.generation(job.chain, job.generation - 1) / BASE
        start = compute.load_denoiser(former, job.params, job.real.shape[1:], device_of(job.params))
        compute.save_denoiser(job.work / BASE, fit_model(job, start, training_set(job), job.params.train, "train"))
    else:
        _train_from_scratch(job, training_set(job))


def training_set(job: Job) -> Array:
    """D_t: the real set for generation 1, then what the arm's loop makes of real data and earlier samples."""
    if job.generation == 1:
        return job.real
    arm, layout = job.chain.arm, job.layout

    def samples(generation: int) -> Array:
        made = read_array(layout.generation(job.chain, generation) / SYNTHETIC)
        return made[: job.params.handed_on(arm, generation)]

    def fresh() -> Array:
        source = dataset(job.params)
        assert isinstance(source, Points)
        return source.truth.draw(job.seed("fresh"), len(job.real))

    history = [samples(generation) for generation in remembered(job.params, job.chain, job.generation)]
    rng = np.random.Generator(np.random.Philox(key=job.seed("mix")))
    return LOOPS[job.arm.loop].mix(Sources(job.real, history, fresh, rng, job.arm.synthetic_share))


@STEPS.register("sample")
def sample(job: Job) -> None:
    """Sample the base model: the arm's output, or the set S that a second model learns from (and enough to judge the base)."""
    if job.strategy.second:
        write_array(job.work / DRAWN, draw(job, load_model(job, BASE), "auxiliary", job.n_drawn))
    else:
        _write_output(job, load_model(job, BASE))


@STEPS.register("fine-tune")
def fine_tune(job: Job) -> None:
    """Fine-tune the auxiliary: the base, on its own samples S alone."""
    drawn = read_array(job.work / DRAWN)[: job.params.auxiliary.n]
    auxiliary = fit_model(job, load_model(job, BASE), drawn, job.params.auxiliary, "fine-tune")
    compute.save_denoiser(job.work / AUXILIARY, auxiliary)


@STEPS.register("train guide")
def train_guide(job: Job) -> None:
    """Train autoguidance's guide from scratch on D_t: for fewer steps, and smaller where the arm says so."""
    assert job.arm.guide is not None
    data = training_set(job)
    untrained = compute.fresh_denoiser(job.guide_params, data.shape[1:], job.seed("guide-init"))
    budget = job.params.train.model_copy(update={"steps": job.arm.guide.steps})
    compute.save_denoiser(job.work / AUXILIARY, fit_model(job, untrained, data, budget, "train-guide"))


@STEPS.register("guided sample")
def guided_sample(job: Job) -> None:
    """Sample with negative guidance, (1 + w) D_r - w D_s: the output of SIMS and of autoguidance."""
    _combined_sample(job, sims)


@STEPS.register("merged sample")
def merged_sample(job: Job) -> None:
    """Sample the network with weights (1 + w) theta_r - w theta_s: Neon's output."""
    _combined_sample(job, merged)


def conclude(job: Job) -> None:
    """Write down, after the last step, what was chosen, what the generation cost, and what it was made with."""
    with said_of(f"{job.chain} generation {job.generation}, what it cost"):
        write_json(job.work / MADE, _facts(job))
    (job.work / CHOICE).unlink(missing_ok=True)


def _facts(job: Job) -> dict[str, Any]:
    params, strategy = job.params, job.strategy
    chosen = read_json(job.work / CHOICE) if (job.work / CHOICE).exists() else {}
    networks = strategy.networks if chosen.get("guidance", 1) else 1
    budgets = [params.train.steps * params.train.batch]
    if strategy.auxiliary:
        budgets.append(params.auxiliary.steps * params.auxiliary.batch)
    if job.arm.guide:
        budgets.append(job.arm.guide.steps * params.train.batch)
    made = {"generation": job.generation, "nfe": networks * params.sampler.evaluations, "images_seen": sum(budgets)}
    return made | chosen | environment(params)


def _combined_sample(job: Job, combine: Callable[[Denoiser, Denoiser, float], Denoise]) -> None:
    """Sample what base and second model give together at the arm's guidance, or at the one that selection prefers."""
    second = job.guide_params if job.strategy.guide else job.params
    base, other = load_model(job, BASE), load_model(job, AUXILIARY, second)
    if job.arm.guidance == "auto":

        def draw_with(w: float, n: int) -> Array:
            return draw(job, combine(base, other, w), "selection", n)

        choice = choose(job.params, job.chain.seed, job.arm.candidates or CANDIDATES, draw_with)
    else:
        assert job.arm.guidance is not None
        choice = {"guidance": job.arm.guidance}
    write_json(job.work / CHOICE, choice)
    _write_output(job, combine(base, other, choice["guidance"]))


def _train_from_scratch(job: Job, data: Array) -> None:
    untrained = compute.fresh_denoiser(job.params, data.shape[1:], job.seed("init"))
    compute.save_denoiser(job.work / BASE, fit_model(job, untrained, data, job.params.train, "train"))


def _write_output(job: Job, denoise: Denoise) -> None:
    """Write the arm's output: samples of a denoiser, and what the arm's hook makes of them."""
    call = job.arm.hook
    if call is None:
        write_array(job.work / SYNTHETIC, draw(job, denoise, "synthetic", job.n_output))
        return
    candidates = draw(job, denoise, "synthetic", job.n_candidates)
    rng = np.random.Generator(np.random.Philox(key=job.seed("hook")))
    kept = HOOKS[call.name](candidates, Context(job.real, job.n_output, call.strength, rng))
    if kept.shape != (job.n_output, *job.real.shape[1:]) or kept.dtype != job.real.dtype:
        raise ArithmeticError(f"hook {call.name} gave {kept.dtype} {list(kept.shape)} instead of {job.n_output} samples")
    write_array(job.work / SYNTHETIC, kept)

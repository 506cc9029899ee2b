"""The steps of a generation. Each reads files, writes files in the job's working folder, and holds no state."""

import logging
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.guidance import merged, sims
from pipeline.data import noise
from pipeline.data.arrays import read_samples, write_samples
from pipeline.data.samples import Labelled, Pool, joined
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.extensions import said_of
from pipeline.experiment.kinds import HOOKS, LOOPS, STEPS
from pipeline.experiment.machine import environment
from pipeline.experiment.params import Params
from pipeline.generation import compute
from pipeline.generation.choosing import CANDIDATES, choose
from pipeline.generation.hooks import Context
from pipeline.generation.job import Job, draw, fit_model, fresh_model, load_model, load_model_at, write_drawn
from pipeline.generation.loops import Sources
from pipeline.generation.start import BASE_KEY, guide_key, take_checkpoint
from pipeline.storage.files import read_json, write_bytes, write_json
from pipeline.storage.layout import AUXILIARY, BASE, CHOICE, DRAWN, ENVIRONMENT, LOSSES, MADE, PROCESSES, SYNTHETIC

log = logging.getLogger("self-consuming")


def train_base(params: Params, seed: int, work: Path, home: Path | None = None) -> None:
    """Train generation 1's base model of a seed, on real data alone, once for all arms; writes it into the folder `work`.

    Where params.yaml has a checkpoint, that is the base model, and nothing is trained.
    """
    job = Job(params, Chain("base", seed), 1, work, home)
    if params.base is None:
        _warn(noise.warning(params))
        _train_from_scratch(job, joined([job.real]))
    else:
        take_checkpoint(params, BASE_KEY, params.base.checkpoint, fresh_model(job, "init"), job.shape, job.classes, work / BASE)
        write_json(work / LOSSES, {})
    write_json(work / ENVIRONMENT, _environment(job))


@STEPS.register("train")
def train(job: Job) -> None:
    """Train the base model on D_t, from scratch or from an earlier one (generation 1: take the one that all arms share)."""
    if job.generation == 1:
        for name in (BASE, LOSSES):
            write_bytes(job.work / name, (job.layout.base(job.chain.seed) / name).read_bytes())
    elif job.arm.init in ("previous", "checkpoint"):
        former = job.layout.generation(job.chain, job.generation - 1)
        folder = former if job.arm.init == "previous" else job.layout.base(job.chain.seed)
        start = load_model_at(job, folder / BASE)
        compute.save_denoiser(job.work / BASE, fit_model(job, start, training_set(job), job.params.train, "train", BASE))
    else:
        _train_from_scratch(job, training_set(job))


def training_set(job: Job) -> Pool:
    """D_t: the real set for generation 1, then what the arm's loop makes of real data and earlier samples."""
    real = joined([job.real])
    if job.generation == 1:
        return real
    arm, layout = job.chain.arm, job.layout

    def samples(generation: int) -> Pool:
        made = read_samples(layout.generation(job.chain, generation) / SYNTHETIC)
        return joined([made[: job.params.handed_on(arm, generation)]])

    def fresh() -> Pool:
        source = dataset(job.params)
        assert isinstance(source, Points)
        return joined([Labelled(source.truth.draw(job.seed("fresh"), len(job.real)))])

    history = [samples(generation) for generation in remembered(job.params, job.chain, job.generation)]
    rng = np.random.Generator(np.random.Philox(key=job.seed("mix")))
    mixed = LOOPS[job.arm.loop].mix(Sources(real, history, fresh, rng, job.arm.synthetic_share))
    return mixed if isinstance(mixed, Pool) else joined([mixed if isinstance(mixed, Labelled) else Labelled(mixed)])


@STEPS.register("sample")
def sample(job: Job) -> None:
    """Sample the base model: the arm's output, or the set S that a second model learns from (and enough to judge the base)."""
    if job.strategy.second:
        write_drawn(job, load_model(job, BASE), "auxiliary", job.n_drawn, DRAWN)
    else:
        _write_output(job, load_model(job, BASE))


@STEPS.register("fine-tune")
def fine_tune(job: Job) -> None:
    """Fine-tune the auxiliary: the base, on its own samples S alone; or take the checkpoint that the arm has in its place."""
    if not job.arm.fine_tunes:
        _take_guide(job)
        return
    drawn = read_samples(job.work / DRAWN)[: job.params.auxiliary.n]
    auxiliary = fit_model(job, load_model(job, BASE), drawn, job.params.auxiliary, "fine-tune", AUXILIARY)
    compute.save_denoiser(job.work / AUXILIARY, auxiliary)


@STEPS.register("train guide")
def train_guide(job: Job) -> None:
    """Train autoguidance's guide on D_t from scratch, for fewer steps, smaller where the arm says so; or take a checkpoint."""
    assert job.arm.guide is not None
    if job.arm.guide.checkpoint:
        _take_guide(job)
        return
    untrained = fresh_model(job, "guide-init", job.second_params)
    budget = job.params.train.model_copy(update={"steps": job.arm.guide.steps})
    compute.save_denoiser(job.work / AUXILIARY, fit_model(job, untrained, training_set(job), budget, "train-guide"))


@STEPS.register("guided sample")
def guided_sample(job: Job) -> None:
    """Sample with negative guidance, (1 + w) D_r - w D_s: the output of SIMS and of autoguidance."""
    _combined_sample(job, partial(sims, interval=job.arm.interval))


@STEPS.register("merged sample")
def merged_sample(job: Job) -> None:
    """Sample the network with weights theta_r - w (theta_s - theta_r): Neon's output."""
    _combined_sample(job, merged)


def conclude(job: Job) -> None:
    """Write down, after the last step, what was chosen, what the generation cost, and what it was made with."""
    with said_of(f"{job.chain} generation {job.generation}, what it cost"):
        write_json(job.work / MADE, _facts(job))
    (job.work / CHOICE).unlink(missing_ok=True)


@cache
def _warn(said: str | None) -> None:
    """Say it once."""
    if said is not None:
        log.warning(said)


def _facts(job: Job) -> dict[str, Any]:
    params = job.params
    chosen = read_json(job.work / CHOICE) if (job.work / CHOICE).exists() else {}
    budgets = [0 if params.base and job.generation == 1 else params.train.steps * params.train.batch]
    if job.arm.fine_tunes:
        budgets.append(params.auxiliary.steps * params.auxiliary.batch)
    if job.arm.guide and job.arm.guide.steps:
        budgets.append(job.arm.guide.steps * params.train.batch)
    made = {"generation": job.generation, "nfe": job.evaluations(chosen.get("guidance", 1)), "images_seen": sum(budgets)}
    return made | chosen | _environment(job)


def _environment(job: Job) -> dict[str, str]:
    """What the job was made with; the note of processes that changed on the way has then been read."""
    note = job.work / PROCESSES
    changed = read_json(note) if note.exists() else []
    note.unlink(missing_ok=True)
    return environment(job.params, changed)


def _combined_sample(job: Job, combine: Callable[[Denoiser, Denoiser, float], Denoise]) -> None:
    """Sample what base and second model give together at the arm's guidance, or at the one that selection prefers."""
    base, other = load_model(job, BASE), load_model(job, AUXILIARY, job.second_params)
    if job.arm.guidance == "auto":

        def draw_with(w: float, n: int) -> Labelled:
            return draw(job, combine(base, other, w), "selection", n)

        choice = choose(job.params, job.chain.seed, job.arm.candidates or CANDIDATES, draw_with)
    else:
        assert job.arm.guidance is not None
        choice = {"guidance": job.arm.guidance}
    write_json(job.work / CHOICE, choice)
    _write_output(job, combine(base, other, choice["guidance"]))


def _take_guide(job: Job) -> None:
    assert job.arm.guide is not None
    assert job.arm.guide.checkpoint is not None
    key, params = guide_key(job.chain.arm), job.second_params
    untrained = fresh_model(job, "guide-init", params)
    take_checkpoint(params, key, job.arm.guide.checkpoint, untrained, job.shape, job.classes, job.work / AUXILIARY)


def _train_from_scratch(job: Job, data: Pool) -> None:
    untrained = fresh_model(job, "init")
    compute.save_denoiser(job.work / BASE, fit_model(job, untrained, data, job.params.train, "train", BASE))


def _write_output(job: Job, denoise: Denoise) -> None:
    """Write the arm's output: samples of a denoiser, and what the arm's hook makes of them."""
    call = job.arm.hook
    if call is None:
        write_drawn(job, denoise, "synthetic", job.n_output, SYNTHETIC)
        return
    candidates, real = draw(job, denoise, "synthetic", job.n_candidates), job.real
    rng = np.random.Generator(np.random.Philox(key=job.seed("hook")))
    context = Context(real.values, job.n_output, call.strength, rng, candidates.labels, real.labels if job.classes else None)
    kept = HOOKS[call.name](candidates.values, context)
    if not isinstance(kept, Labelled):
        kept = Labelled(kept, candidates.labels if len(kept) == len(candidates) else None)
    if kept.values.shape != (job.n_output, *job.shape) or kept.values.dtype != real.values.dtype:
        shape = f"{kept.values.dtype} {list(kept.values.shape)}"
        raise ArithmeticError(f"hook {call.name} gave {shape} instead of {job.n_output} samples")
    if job.classes and kept.labels is None:
        raise ArithmeticError(f"hook {call.name} gave samples without labels: a filter gives Labelled ones")
    write_samples(job.work / SYNTHETIC, kept)

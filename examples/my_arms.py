"""An extension: a loop, a hook and a strategy of one's own. params.yaml names this file and then uses them:

extensions: [examples/my_arms.py]
arms:
  mine: {loop: every-second, strategy: narrowed, hook: {name: towards-the-mean, strength: 0.1}}
"""

from models.diffusion.guidance import scaled
from pipeline.data.samples import Pool, joined
from pipeline.experiment.kinds import HOOKS, LOOPS, STEPS, STRATEGIES
from pipeline.generation.hooks import Array, Context
from pipeline.generation.job import Job, load_model, write_drawn
from pipeline.generation.loops import Loop, Sources
from pipeline.generation.strategies import Strategy
from pipeline.storage.layout import BASE, SYNTHETIC


def every_second(sources: Sources) -> Pool:
    """A loop: the real set, and every second sample of the generations that it remembers."""
    return joined([sources.real, *(samples[::2] for samples in sources.history)])


def towards_the_mean(candidates: Array, context: Context) -> Array:
    """A corrector for points: each sample a part of the way towards the real mean."""
    moved = candidates + context.strength * (context.real.mean(axis=0) - candidates)
    return moved.astype(candidates.dtype)


def narrow_sample(job: Job) -> None:
    """A step: sample with the score scaled by 1.05. It reads and writes files in the job's folder, and has a Prefect task."""
    narrowed = scaled(load_model(job, BASE), 1.05)
    write_drawn(job, narrowed, "synthetic", job.n_output, SYNTHETIC)


LOOPS["every-second"] = Loop(every_second)
HOOKS["towards-the-mean"] = towards_the_mean
STEPS["narrow sample"] = narrow_sample
STRATEGIES["narrowed"] = Strategy(("train", "narrow sample"))

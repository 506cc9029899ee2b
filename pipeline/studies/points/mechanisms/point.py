"""Study `mechanisms`: whole chains whose trainings see other noise levels, and which levels their denoisers go wrong at."""

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from models.diffusion.denoiser import Denoiser
from models.diffusion.noise import fitting
from pipeline.analysis.theory import predicted
from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import Finite, Positive
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Generations, Name, Noise, Section
from pipeline.generation import steps
from pipeline.generation.job import Job, load_model
from pipeline.making.transactions import make_whole
from pipeline.storage.files import read_json
from pipeline.storage.layout import BASE, METRICS, Layout
from pipeline.studies.bench.study import Bench, Row

PROBES = 2000
"""Points at which a denoiser is compared with the exact one, at each level."""


class Levels(Section):
    """Training's ln sigma ~ N(p_mean, p_std^2), as scaled to the data where not given, in the arms named (all of them).

    Generations before `switched` are trained as `begins_as` says.
    """

    p_mean: Finite | None = None
    p_std: Positive | None = None
    arms: Annotated[list[Name], Field(min_length=1)] | None = None
    begins_as: Name | None = None
    switched: Generations | None = None


class Settings(Section):
    """`settings` of the study's file: the arm that all are measured by, settings of noise, levels that are looked at."""

    control: Name
    noise: Annotated[dict[Name, Levels], Field(min_length=1)]
    levels: Annotated[list[Positive], Field(min_length=2)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where an arm or a setting is not there, or the data are no Gaussian, whose denoiser is known exactly."""
    if params.kind("data") != "gaussian":
        raise ValueError(f"preset: data.kind {params.kind('data')!r} is not allowed: the exact denoiser is that of a gaussian")
    named = {*axes["arm"], settings.control, *(arm for each in settings.noise.values() for arm in each.arms or [])}
    if unknown := sorted(named - set(params.arms)):
        raise ValueError(f"axes.arm: {unknown[0]!r} is not allowed: the preset with the changes has {', '.join(params.arms)}")
    wanted = {*axes["noise"], *(each.begins_as for each in settings.noise.values() if each.begins_as)}
    if unknown := sorted(wanted - set(settings.noise)):
        raise ValueError(f"axes.noise: {unknown[0]!r} is not allowed: settings.noise has {', '.join(settings.noise)}")
    for name, each in settings.noise.items():
        if (each.begins_as is None) != (each.switched is None):
            raise ValueError(f"settings.noise.{name}: begins_as and switched belong together")


def point(bench: Bench) -> list[Row]:
    """A chain's metrics, what theory predicts its FID to be, and its denoisers' errors; nothing for arms that are left out."""
    settings: Settings = bench.settings
    name, chain = str(bench.at["noise"]), Chain(str(bench.at["arm"]), bench.seed)
    levels = settings.noise[name]
    if levels.arms is not None and chain.arm not in levels.arms:
        return []
    later = _with_noise(bench.params, levels)
    former = later if levels.begins_as is None else _with_noise(bench.params, settings.noise[levels.begins_as])
    layout, theory, rows = Layout(later.experiment), predicted(later, chain.arm), list[Row]()
    base = layout.base(chain.seed)
    base.mkdir(parents=True)
    steps.train_base(former, chain.seed, base)
    for generation in range(1, later.length(chain.arm) + 1):
        params = former if generation < (levels.switched or 1) else later
        make_whole(params, chain, generation)
        folder = layout.generation(chain, generation)
        row = read_json(folder / METRICS) | errors(Job(params, chain, generation, folder), settings.levels)
        row |= {"predicted": None if theory is None else float(theory[generation - 1])}
        rows.append(row | {"p_mean": params.noise.p_mean, "p_std": params.noise.p_std})
    return rows


def errors(job: Job, levels: list[float]) -> Row:
    """The base denoiser's error at each level, in units of what its network must give, whose variance is 1.

    The exact denoiser is that of the Gaussian with the mean and covariance of D_t; the points are that Gaussian's, noised.
    Root of the mean over points and coordinates of |D - D*|^2 / c_out^2.
    """
    data = np.asarray(steps.training_set(job), dtype=np.float64)
    mean, covariance = torch.from_numpy(data.mean(axis=0)), torch.from_numpy(np.cov(data, rowvar=False))
    denoiser, rng = load_model(job, BASE), torch.Generator().manual_seed(0)
    return {f"error at {level:g}": denoiser_error(denoiser, mean, covariance, level, rng) for level in levels}


def denoiser_error(
    denoiser: Denoiser, mean: torch.Tensor, covariance: torch.Tensor, sigma: float, rng: torch.Generator
) -> float:
    """The same of one denoiser for data N(mean [D], covariance [D, D]) at one level."""
    noised = covariance + sigma**2 * torch.eye(len(mean), dtype=torch.float64)
    x = mean + torch.randn(PROBES, len(mean), generator=rng, dtype=torch.float64) @ torch.linalg.cholesky(noised).T
    exact = mean + (x - mean) @ torch.linalg.solve(noised, covariance)
    with torch.inference_mode():
        found = denoiser(x.float(), torch.tensor(sigma)).double()
    scale = sigma**2 * denoiser.sigma_data**2 / (sigma**2 + denoiser.sigma_data**2)
    return float(((found - exact).square().mean() / scale).sqrt())


def _with_noise(params: Params, levels: Levels) -> Params:
    """The params with these levels in training."""
    given = params.noise.sigma_data
    assert given != "auto"
    fit = fitting(given, levels.p_mean, levels.p_std)
    return params.model_copy(update={"noise": Noise(sigma_data=given, p_mean=fit.p_mean, p_std=fit.p_std)})

"""What theory predicts of a loop on Gaussian data, to be held beside what is measured.

A model that fits its training set exactly leaves two errors: the sampler's, which is known exactly for a Gaussian, and that of
finite samples. The recursions follow the first; the bound is about the second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.diffusion.denoiser import Denoise
from models.diffusion.guidance import scaled, sims
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.distance.frechet import frechet
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.kinds import SAMPLERS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of

Floats = NDArray[np.float64]
LEFT_OUT = (
    "Predicted: the sampler's own error through the loop, if every training fitted its set exactly at every noise level; it"
    " knows neither the denoiser's errors nor those of finite samples"
)
KNOWN_LOOPS = "augmentation", "synthetic", "fresh", "accumulate", "accumulate-subsample", "constant-share", "real"
"""Those whose training sets are mixtures with shares that are known here; a loop of the user's own need not be."""


class Gaussian(NamedTuple):
    """A mean [D] and a covariance [D, D], in the basis of the truth's eigenvectors."""

    mean: Floats
    covariance: Floats


def sampled(
    params: Params, learned: Gaussian, guided_by: Gaussian | None = None, w: float = 0.0, zeta: float = 1.0
) -> Gaussian:
    """What the sampler makes of the exact denoiser of `learned`.

    With `guided_by`, the auxiliary's Gaussian, the guidance is SIMS's, with w; its covariance must have the eigenvectors of
    `learned`. The sampler is affine here, and acts along each eigenvector alone: what it makes of 0 and of 1 is all of it.
    Its finite steps change the covariance, and its finite sigma_max, where it begins around 0, draws the mean towards 0.
    """
    import torch

    vectors = np.linalg.eigh(learned.covariance)[1]

    def exact(gaussian: Gaussian) -> Denoise:
        centre = torch.from_numpy(vectors.T @ gaussian.mean)
        level = torch.from_numpy(np.diagonal(vectors.T @ gaussian.covariance @ vectors).copy())
        return lambda x, sigma: centre + level / (level + sigma**2) * (x - centre)

    denoise = exact(learned) if guided_by is None else sims(exact(learned), exact(guided_by), w)
    sampler = SAMPLERS[kind_of(params.sampler)]
    probes = torch.stack([torch.zeros(len(vectors)), torch.ones(len(vectors))]).double()
    at_zero, at_one = sampler(scaled(denoise, zeta), probes, params.sampler).numpy()
    return Gaussian(vectors @ at_zero, (vectors * (at_one - at_zero) ** 2) @ vectors.T)


def predicted(params: Params, arm: str) -> Floats | None:
    """The Fréchet distance of every generation of an arm on a Gaussian, as an exact fit of D_t would give it: [generations].

    Every loop is a mixture of Gaussians with known shares, of which a fit learns mean and covariance. None where there is no
    prediction: other data, an arm with a hook or another start, guidance auto or in an interval, a guide of its own, loops and
    strategies that it does not know.
    """
    section = params.arms[arm]
    other = section.hook, section.interval, section.guide, params.base
    unpredictable = any(other) or section.init not in (None, "scratch") or section.guidance == "auto"
    known = section.loop in KNOWN_LOOPS and section.strategy in ("standard", "sims")
    if not params.data.has_truth or not known or unpredictable:
        return None
    source = dataset(params)
    if not isinstance(source, Points) or len(source.truth.shares) > 1:
        return None
    variances, vectors = np.linalg.eigh(source.truth.covariance)
    truth = Gaussian(vectors.T @ source.truth.mean, np.diag(variances))
    zeta = section.zeta or params.sampler.zeta
    outputs: list[Gaussian] = []
    for generation in range(1, params.length(arm) + 1):
        learned = truth if generation == 1 else _learned(params, arm, generation, truth, outputs)
        output = sampled(params, learned, zeta=zeta)
        if section.strategy == "sims":
            assert isinstance(section.guidance, float | int)
            output = sampled(params, learned, output, section.guidance, zeta)
        outputs.append(output)
    errors = [vectors @ (output.mean - truth.mean) for output in outputs]
    covariances = [vectors @ output.covariance @ vectors.T for output in outputs]
    zero = np.zeros(len(truth.mean))
    return np.array([frechet(error, made, zero, source.truth.covariance) for error, made in zip(errors, covariances)])


def _learned(params: Params, arm: str, generation: int, truth: Gaussian, outputs: list[Gaussian]) -> Gaussian:
    """Mean and covariance of D_t, by the shares of real and remembered samples in it."""
    section = params.arms[arm]
    if section.loop == "real":
        return truth
    counts = {index: params.handed_on(arm, index) for index in remembered(params, Chain(arm, 0), generation)}
    made, n_made = [outputs[index - 1] for index in counts], sum(counts.values())
    share = section.synthetic_share
    if share is None:
        share = 1.0 if section.loop == "synthetic" else n_made / (params.data.n_real + n_made)
    return _mixed([1 - share, *(share * count / n_made for count in counts.values())], [truth, *made])


def _mixed(shares: list[float], parts: list[Gaussian]) -> Gaussian:
    """Mean and covariance of a mixture: the mean covariance, and the covariance of the means (the law of total variance)."""
    mean = np.sum([share * part.mean for share, part in zip(shares, parts)], axis=0)
    spread = [share * (part.covariance + np.outer(part.mean - mean, part.mean - mean)) for share, part in zip(shares, parts)]
    return Gaussian(mean, np.sum(spread, axis=0))


def accumulation_bound(generations: int) -> float:
    """How many times generation 1's squared error the accumulate loop's is after so many: sum 1/i^2, below pi^2/6.

    For the mean of Gaussian data, with as many samples in each generation as real ones (Gerstgrasser et al., arXiv 2404.01413,
    Theorem 1, there for linear regression).
    """
    return float((1 / np.arange(1, generations + 1) ** 2).sum())


def mixture_share(q_base: float, q_auxiliary: float, w: float) -> float:
    """The share of a mode that SIMS gives where base and auxiliary give theirs: q = (1 + w) q_r - w q_s, within [0, 1]."""
    return min(1.0, max(0.0, (1 + w) * q_base - w * q_auxiliary))


def complement_share(q_base: float, q_target: float, w: float) -> float:
    """The share in S with which SIMS gives the target: q_s = ((1 + w) q_r - q_t) / w; outside [0, 1] it is infeasible."""
    return ((1 + w) * q_base - q_target) / w

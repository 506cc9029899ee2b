"""What theory predicts of a loop on Gaussian data, to be held beside what is measured.

A model that fits its training set exactly leaves two errors: the sampler's, which is known exactly for a Gaussian, and that of
finite samples. The recursions follow the first; the bound is about the second.
"""

import numpy as np
from numpy.typing import NDArray

from models.denoiser import Denoise
from models.guidance import scaled, sims
from models.sampler import karras_sigmas, sample_heun
from pipeline.chains import Chain, remembered
from pipeline.datasets import Points, dataset
from pipeline.measures.metrics import frechet
from pipeline.params import Params
from pipeline.sections import GaussianData

Floats = NDArray[np.float64]
KNOWN_LOOPS = "augmentation", "synthetic", "fresh", "accumulate", "accumulate-subsample", "constant-share", "real"
"""Those whose training sets are mixtures with shares that are known here; a loop of the user's own need not be."""


def sampled_variance(
    params: Params, variance: Floats, guided_by: Floats | None = None, w: float = 0.0, zeta: float = 1.0
) -> Floats:
    """The variance of what the sampler makes of exact denoisers of N(0, variance): shapes [D], an eigenvalue each.

    With `guided_by`, the variances of the auxiliary's Gaussian, the guidance is SIMS's, with w. The sampler is linear here: its
    one factor is found by letting it work on 1. Finite steps make it differ from `variance`.
    """
    import torch

    def exact(values: Floats) -> Denoise:
        level = torch.from_numpy(values)
        return lambda x, sigma: level / (level + sigma**2) * x

    denoise = exact(variance) if guided_by is None else sims(exact(variance), exact(guided_by), w)
    s = params.sampler
    sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
    factor = sample_heun(scaled(denoise, zeta), torch.ones(len(variance), dtype=torch.float64), sigmas).numpy()
    squared: Floats = factor**2
    return squared


def predicted(params: Params, arm: str) -> Floats | None:
    """The Fréchet distance of every generation of an arm on a Gaussian, as an exact fit of D_t would give it: [generations].

    Every loop is a mixture of covariances with known shares, and all share the truth's eigenvectors. None where there is no
    prediction: other data, an arm with a hook or another start, guidance auto, loops and strategies that it does not know.
    """
    section = params.arms[arm]
    unpredictable = section.hook or section.init == "previous" or section.guidance == "auto"
    known = section.loop in KNOWN_LOOPS and section.strategy in ("standard", "sims")
    if not isinstance(params.data, GaussianData) or not known or unpredictable:
        return None
    source = dataset(params)
    assert isinstance(source, Points)
    truth, vectors = np.linalg.eigh(source.truth.covariance)
    zeta = section.zeta or params.sampler.zeta
    outputs: list[Floats] = []
    for generation in range(1, params.length(arm) + 1):
        learned = truth if generation == 1 else _mixed(params, arm, generation, truth, outputs)
        output = sampled_variance(params, learned, zeta=zeta)
        if section.strategy == "sims":
            assert isinstance(section.guidance, float | int)
            output = sampled_variance(params, learned, output, section.guidance, zeta)
        outputs.append(output)
    zero = np.zeros(len(truth))
    return np.array([frechet(zero, (vectors * v) @ vectors.T, zero, source.truth.covariance) for v in outputs])


def _mixed(params: Params, arm: str, generation: int, truth: Floats, outputs: list[Floats]) -> Floats:
    """The covariance of D_t, by the shares of real and remembered samples in it."""
    section = params.arms[arm]
    earlier = remembered(params, Chain(arm, 0), generation)
    counts = {index: params.handed_on(arm, index) for index in earlier}
    made = sum((count * outputs[index - 1] for index, count in counts.items()), np.zeros(len(truth)))
    n_made = sum(counts.values())
    n_real = {"real": 1, "synthetic": 0}.get(section.loop, params.data.n_real)
    if section.loop == "real":
        return truth
    if section.synthetic_share is not None:
        return (1 - section.synthetic_share) * truth + section.synthetic_share * made / n_made
    mixed: Floats = (n_real * truth + made) / (n_real + n_made)
    return mixed


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

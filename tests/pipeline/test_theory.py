"""Measurement beside theory: loops of exact Gaussian fits, through the real mixing code and the real sampler."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.guidance import sims
from models.sampler import karras_sigmas, latents, sample_heun
from pipeline.chains import Chain, remembered
from pipeline.measures.metrics import frechet, moments
from pipeline.measures.theory import accumulation_bound, complement_share, mixture_share, predicted
from pipeline.mixing import LOOPS, Array, Loop, Sources
from pipeline.params import Params, load, parse

ROOT = Path(__file__).resolve().parents[2]
TRUTH = np.array([[2.0, 1.0], [1.0, 2.0]])
N = 20_000
GENERATIONS = 12


def experiment(loop: str, **keys: object) -> Params:
    raw = load(ROOT / "presets" / "gaussian.yaml").model_dump(exclude_unset=True)
    raw["data"]["n_real"], raw["n_synthetic"], raw["generations"] = N, N, GENERATIONS
    raw["arms"] = {"arm": {"loop": loop, "strategy": "standard"} | keys}
    return parse(raw)


def exact(covariance: np.ndarray, mean: np.ndarray):  # type: ignore[no-untyped-def]
    spread, centre = torch.from_numpy(covariance), torch.from_numpy(mean)

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        shrink = spread @ torch.linalg.inv(spread + sigma**2 * torch.eye(2, dtype=torch.float64))
        return centre + (x - centre) @ shrink.T

    return denoise


def measured(params: Params) -> list[float]:
    """The loop with models that fit a Gaussian to D_t exactly: only finite samples and the sampler err."""
    arm, s = params.arms["arm"], params.sampler
    sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
    rng = np.random.default_rng(1)
    real = rng.multivariate_normal(np.zeros(2), TRUTH, N)
    outputs: list[Array] = []
    for generation in range(1, GENERATIONS + 1):
        history = [outputs[index - 1] for index in remembered(params, Chain("arm", 0), generation)]
        sources = Sources(real, history, lambda: rng.multivariate_normal(np.zeros(2), TRUTH, N), rng, arm.synthetic_share)
        data = real if generation == 1 else LOOPS[arm.loop].mix(sources)
        mean, covariance = moments(data)
        base = exact(covariance, mean)
        denoise = base
        if arm.strategy == "sims":
            drawn = sample_heun(base, latents(1000 + generation, 0, N, (2,)).double(), sigmas).numpy()
            drawn_mean, drawn_covariance = moments(drawn)
            denoise = sims(base, exact(drawn_covariance, drawn_mean), float(arm.guidance or 0))
        outputs.append(sample_heun(denoise, latents(generation, 0, N, (2,)).double(), sigmas).numpy())
    return [frechet(*moments(output), np.zeros(2), TRUTH) for output in outputs]


@pytest.mark.parametrize(
    ("loop", "keys"),
    [
        ("augmentation", {}),
        ("augmentation", {"strategy": "sims", "guidance": 0.5}),
        ("augmentation", {"strategy": "sims", "guidance": 1.0}),
        ("augmentation", {"memory": 3}),
        ("synthetic", {}),
        ("fresh", {}),
        ("accumulate", {}),
        ("constant-share", {"synthetic_share": 0.8}),
        ("real", {}),
    ],
)
def test_measured_curves_follow_the_predicted_ones(loop: str, keys: dict[str, object]) -> None:
    params = experiment(loop, **keys)
    theory = predicted(params, "arm")
    assert theory is not None
    # 20,000 samples move each variance by about 1 % a generation, which adds up where nothing holds it
    np.testing.assert_allclose(np.sqrt(measured(params)), np.sqrt(theory), atol=0.06 if loop != "synthetic" else 0.12)


def test_theory_tells_the_loops_apart() -> None:
    ends = {loop: predicted(experiment(loop), "arm")[-1] for loop in ("real", "accumulate", "augmentation", "synthetic")}  # type: ignore[index]
    assert ends["real"] < ends["augmentation"] < ends["accumulate"] < ends["synthetic"]
    guided = predicted(experiment("augmentation", strategy="sims", guidance=1.0), "arm")
    assert guided is not None
    assert guided.max() < ends["real"]


def test_theory_is_silent_where_it_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOPS, "of-ones-own", Loop(lambda sources: sources.real[::2]))
    assert predicted(experiment("of-ones-own"), "arm") is None
    assert predicted(experiment("augmentation", hook={"name": "keep-typical", "share": 0.5}), "arm") is None
    assert predicted(experiment("augmentation", init="previous"), "arm") is None
    assert predicted(load(ROOT / "presets" / "digits.yaml"), "standard") is None


def test_accumulating_data_bounds_the_error_by_pi_squared_over_six() -> None:
    # each generation draws n points of N(the mean of all data so far, 1): the squared error of the last mean, over many chains
    rng, chains, n, generations = np.random.default_rng(0), 20_000, 10, 30
    total, count = rng.normal(size=(chains, n)).sum(axis=1), n
    first = np.mean((total / count) ** 2)
    for _ in range(generations - 1):
        total = total + (total / count)[:, None].repeat(n, axis=1).sum(axis=1) + rng.normal(size=(chains, n)).sum(axis=1)
        count += n
    ratio = np.mean((total / count) ** 2) / first
    assert ratio == pytest.approx(accumulation_bound(generations), rel=0.05)
    assert accumulation_bound(100) < np.pi**2 / 6 < accumulation_bound(100) + 0.011


def test_the_complement_is_the_inverse_of_the_share_law() -> None:
    assert mixture_share(0.5, complement_share(0.5, 0.3, 1.0), 1.0) == pytest.approx(0.3)
    assert complement_share(0.5, 0.3, 1.0) == pytest.approx(0.7)
    assert mixture_share(0.5, 0.0, 2.0) == 1.0

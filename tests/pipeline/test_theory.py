"""Measurement beside theory: loops of exact Gaussian fits, through the real mixing code and the real sampler."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.diffusion.guidance import scaled, sims
from models.diffusion.latents import latents
from models.diffusion.schedule import karras_sigmas
from models.samplers.heun import sample_heun
from pipeline.analysis.theory import accumulation_bound, complement_share, mixture_share, predicted
from pipeline.data.samples import Array, Labelled, Pool
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.kinds import LOOPS
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.loops import Loop, Sources
from pipeline.studies.points.control.attribute import Attribute

ROOT = Path(__file__).resolve().parents[2]
TRUTH = np.array([[2.0, 1.0], [1.0, 2.0]])
N = 20_000
GENERATIONS = 12


def pool(points: Array) -> Pool:
    return Pool([Labelled(points)])


def experiment(loop: str, mean: tuple[float, float] = (0.0, 0.0), **keys: object) -> Params:
    raw = load(ROOT / "presets" / "gaussian.yaml").model_dump(exclude_unset=True)
    raw["data"]["n_real"], raw["n_synthetic"], raw["generations"] = N, N, GENERATIONS
    raw["data"]["mean"] = list(mean)
    raw["arms"] = {"arm": {"loop": loop, "strategy": "standard"} | keys}
    return parse(raw)


def exact(covariance: np.ndarray, mean: np.ndarray):  # type: ignore[no-untyped-def]
    spread, centre = torch.from_numpy(covariance), torch.from_numpy(mean)

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        shrink = spread @ torch.linalg.inv(spread + sigma**2 * torch.eye(2, dtype=torch.float64))
        return centre + (x - centre) @ shrink.T

    return denoise


def standardised(draws: np.ndarray) -> np.ndarray:
    """The draws moved so that their own mean is 0 and their own covariance 1."""
    mean, covariance = moments(draws)
    return np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean).T).T


def measured(params: Params, moved: Callable[[np.ndarray], np.ndarray] = np.asarray) -> list[float]:
    """The loop with models that fit a Gaussian to D_t exactly: only finite samples and the sampler err.

    `moved` may take the error of finite samples from the normal numbers that all is drawn from.
    """
    arm, s = params.arms["arm"], params.sampler
    zeta = arm.zeta or s.zeta
    truth = np.array(params.raw["data"]["mean"])
    sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
    rng = np.random.default_rng(1)

    def of_the_truth() -> np.ndarray:
        return truth + moved(rng.standard_normal((N, 2))) @ np.linalg.cholesky(TRUTH).T

    def noise(seed: int) -> torch.Tensor:
        return torch.from_numpy(moved(latents(seed, 0, N, (2,)).double().numpy()))

    real = of_the_truth()
    outputs: list[Array] = []
    for generation in range(1, GENERATIONS + 1):
        history = [outputs[index - 1] for index in remembered(params, Chain("arm", 0), generation)]
        sources = Sources(pool(real), [pool(made) for made in history], lambda: pool(of_the_truth()), rng, arm.synthetic_share)
        data = real if generation == 1 else np.asarray(LOOPS[arm.loop].mix(sources))
        mean, covariance = moments(data)
        base = exact(covariance, mean)
        denoise = base
        if arm.strategy == "sims":
            drawn = sample_heun(scaled(base, zeta), noise(1000 + generation), sigmas).numpy()
            drawn_mean, drawn_covariance = moments(drawn)
            denoise = sims(base, exact(drawn_covariance, drawn_mean), float(arm.guidance or 0))
        outputs.append(sample_heun(scaled(denoise, zeta), noise(generation), sigmas).numpy())
    return [frechet(*moments(output), truth, TRUTH) for output in outputs]


PLAIN = ("augmentation", {})
CONTROL = ("real", {})


@pytest.mark.parametrize(
    ("loop", "keys", "tolerance", "unlike"),
    [
        (*PLAIN, 0.04, CONTROL),
        ("augmentation", {"strategy": "sims", "guidance": 0.5}, 0.04, PLAIN),
        ("augmentation", {"strategy": "sims", "guidance": 1.0}, 0.055, PLAIN),
        ("augmentation", {"memory": 3}, 0.03, PLAIN),
        ("synthetic", {}, 0.05, PLAIN),
        ("fresh", {}, 0.035, CONTROL),
        ("accumulate", {}, 0.03, PLAIN),
        ("accumulate-subsample", {}, 0.03, PLAIN),
        ("constant-share", {"synthetic_share": 0.8}, 0.04, PLAIN),
        (*CONTROL, 0.035, PLAIN),
    ],
)
def test_measured_curves_follow_their_own_predictions_and_no_others(
    loop: str, keys: dict[str, object], tolerance: float, unlike: tuple[str, dict[str, object]]
) -> None:
    # 20,000 samples move each variance by about 1 % a generation, which adds up where nothing holds it
    params, other = experiment(loop, **keys), predicted(experiment(unlike[0], **unlike[1]), "arm")
    theory = predicted(params, "arm")
    assert theory is not None
    assert other is not None
    found = np.sqrt(measured(params))
    np.testing.assert_allclose(found, np.sqrt(theory), atol=tolerance)
    assert abs(found[-1] - np.sqrt(other[-1])) > 1.5 * tolerance


@pytest.mark.parametrize(
    ("loop", "keys", "tolerance"),
    [
        (*PLAIN, 1e-4),
        ("augmentation", {"strategy": "sims", "guidance": 0.5}, 1e-4),
        ("augmentation", {"memory": 3, "zeta": 1.1}, 1e-4),
        ("synthetic", {"memory": 2}, 1e-4),
        ("fresh", {}, 1e-4),
        ("accumulate", {}, 1e-4),
        ("accumulate-subsample", {}, 0.06),  # these two draw from what they mix, by chance
        ("constant-share", {"synthetic_share": 0.8}, 0.06),
        (*CONTROL, 1e-4),
    ],
)
def test_a_mean_other_than_0_is_drawn_towards_0_and_spreads_what_is_mixed(
    loop: str, keys: dict[str, object], tolerance: float
) -> None:
    # the real and the synthetic mean do not differ along an eigenvector of the truth
    params = experiment(loop, (30.0, -10.0), **keys)
    theory, centred = predicted(params, "arm"), predicted(experiment(loop, **keys), "arm")
    assert theory is not None
    assert centred is not None
    np.testing.assert_allclose(np.sqrt(measured(params, standardised)), np.sqrt(theory), rtol=tolerance)
    assert np.sqrt(theory[-1]) > np.sqrt(centred[-1]) + 0.2


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


def group_share(q_base: float, q_auxiliary: float, w: float) -> float:
    """The share of two of preset mixture's four modes that SIMS gives with exact denoisers."""
    params = load(ROOT / "presets" / "mixture.yaml")
    source = dataset(params)
    assert isinstance(source, Points)
    means, variance, s = torch.from_numpy(source.truth.means), float(source.truth.covariances[0, 0, 0]), params.sampler

    def mixture(q: float):  # type: ignore[no-untyped-def]
        logs = torch.tensor([q / 2, q / 2, (1 - q) / 2, (1 - q) / 2], dtype=torch.float64).log()

        def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            total = variance + sigma**2
            weights = (logs - ((x[:, None] - means) ** 2).sum(-1) / (2 * total)).softmax(-1)
            return (variance * x + sigma**2 * weights @ means) / total

        return denoise

    sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
    samples = sample_heun(sims(mixture(q_base), mixture(q_auxiliary), w), latents(0, 0, N, (2,)).double(), sigmas)
    return Attribute(params, [0, 1]).share(samples.numpy())


def test_the_share_law_is_one_of_first_order_even_for_exact_denoisers() -> None:
    w = 1.5
    assert group_share(0.5, 0.5, w) == pytest.approx(0.5, abs=0.01)
    for target, reached in ((0.4, 0.403), (0.3, 0.321), (0.2, 0.258), (0.8, 0.740)):
        assert group_share(0.5, complement_share(0.5, target, w), w) == pytest.approx(reached, abs=0.012)
    # a share in S that is larger than the law's makes up for it
    assert group_share(0.5, complement_share(0.5, 0.3, w) + 0.02, w) == pytest.approx(0.3, abs=0.012)


def test_the_complement_is_the_inverse_of_the_share_law() -> None:
    assert mixture_share(0.5, complement_share(0.5, 0.3, 1.0), 1.0) == pytest.approx(0.3)
    assert complement_share(0.5, 0.3, 1.0) == pytest.approx(0.7)
    assert mixture_share(0.5, 0.0, 2.0) == 1.0

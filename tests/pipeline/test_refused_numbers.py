"""Numbers that float32, or the computation itself, cannot use are refused when params.yaml is read."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import parse

SMOKE = YAML(typ="safe").load(Path("presets/smoke.yaml").read_text())
STOCHASTIC = SMOKE["sampler"] | {"kind": "stochastic", "s_churn": 40.0, "s_tmin": 0.05, "s_tmax": 50.0, "s_noise": 1.003}
MIXTURE = {"kind": "gaussian-mixture", "n_real": 50, "modes": 5, "spacing": 4.0, "spread": 0.5}
PICTURES = {"data": {"kind": "digits", "n_real": 100}, "evaluation": {"extractor": "classifier", "n": 100}}


def changed(change: dict[str, Any]) -> dict[str, Any]:
    """The smoke preset with values at dotted keys."""
    raw = deepcopy(SMOKE)
    for key, value in change.items():
        *path, last = key.split(".")
        section = raw
        for name in path:
            section = section[name]
        section[last] = value
    return raw


def of_a_gaussian(variance: float, mean: float = 0.0) -> dict[str, Any]:
    return {"data.mean": [mean, 0.0], "data.covariance": [[variance, 0.0], [0.0, variance]]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sampler.rho": 0.001}, "rho 0.001 is not allowed: the 18 noise levels must fall from 80 to 0.002"),
        ({"sampler.rho": 1e-320}, "is not allowed: the 18 noise levels must fall from 80 to 0.002"),
        ({"sampler.rho": 1e20}, "rho 1e+20 is not allowed"),
        ({"sampler.sigma_min": 80 * (1 - 1e-8)}, "rho 7 is not allowed: the 18 noise levels must fall from 80 to 80"),
        ({"sampler.sigma_min": 1e-45}, "sampler.sigma_min: 1e-45 is not allowed"),
        ({"sampler.sigma_max": 1e39}, "sampler.sigma_max: 1e+39 is not allowed"),
        ({"sampler.zeta": 1e39}, "sampler.zeta: 1e+39 is not allowed"),
        ({"arms.sims.zeta": 1e39}, "arms.sims.zeta: 1e+39 is not allowed"),
        ({"sampler": STOCHASTIC | {"s_noise": 1e39}}, "sampler.s_noise: 1e+39 is not allowed"),
        ({"sampler": STOCHASTIC | {"s_tmin": 60.0}}, "s_tmin 60 is not allowed: it must not be above s_tmax, 50"),
        ({"noise.sigma_data": 1e-20}, "noise.sigma_data: 1e-20 is not allowed"),
        ({"noise.sigma_data": 1e200}, "noise.sigma_data: 1e+200 is not allowed"),
        ({"noise.p_mean": 100.0}, "p_mean 100 with p_std 1.8 is not allowed: 6 p_std on either side of p_mean"),
        ({"noise": {"sigma_data": "auto", "p_std": 30.0}}, "with p_std 30 is not allowed"),
        ({"train.learning_rate": 1e39}, "train.learning_rate: 1e+39 is not allowed"),
        ({"auxiliary.learning_rate": 1e-45}, "auxiliary.learning_rate: 1e-45 is not allowed"),
        (of_a_gaussian(1e-100), "its least eigenvalue, 1e-100, is below 1e-18"),
        (of_a_gaussian(1e-8, mean=1e6), "its least standard deviation, 0.0001, is below 1e-06 of 1e+06, where mean puts"),
        ({"data": MIXTURE | {"spread": 1e-200}}, "data.spread: 1e-200 is not allowed"),
        (
            {"data": MIXTURE | {"spread": 1e-7}},
            "spread is not allowed: its least standard deviation, 1e-07, is below 1e-06 of 8",
        ),
        ({"arms.sims.hook": {"name": "keep-typical", "share": 1e-320}}, "arms.sims.hook.share: "),
        (PICTURES | {"labels": [1e308, 1e308]}, "labels: [1e+308, 1e+308] is not allowed"),
        (PICTURES | {"network": {"kind": "song-unet", "filter": [1.0, -1.0]}}, "network.filter: [1.0, -1.0] is not allowed"),
        (PICTURES | {"network": {"kind": "edm2-unet", "filter": [float("nan"), 1.0]}}, "network.filter.0: nan is not allowed"),
        (PICTURES | {"network": {"kind": "edm2-unet", "res_balance": float("nan")}}, "network.res_balance: nan is not allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_number_that_breaks_the_computation_is_refused_by_its_key(change, says):
    with pytest.raises(BadInput) as refused:
        parse(changed(change))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"sampler.rho": 1.0},
        {"sampler.rho": 1000.0},  # nearly geometric
        {"sampler.steps": 10_000},
        {"sampler.steps": 2},
        {"sampler.sigma_min": 1e-5, "sampler.sigma_max": 1000.0},
        {"sampler": STOCHASTIC},
        {"noise": {"sigma_data": 0.5, "p_mean": -1.2, "p_std": 1.2}},
        {"noise": {"sigma_data": 1.0, "p_mean": 0.0, "p_std": 4.0}},
        {"noise": {"sigma_data": "auto"}},
        {"train.learning_rate": 1e-2, "auxiliary.learning_rate": 1e-7},
        of_a_gaussian(1e-6, mean=1.0),
        of_a_gaussian(1e10, mean=1e6),
        {"data": MIXTURE | {"spread": 0.05}},
        {"arms.sims.hook": {"name": "keep-typical", "share": 0.01}},
        PICTURES | {"network": {"kind": "song-unet", "filter": [1.0, 3.0, 3.0, 1.0]}},
    ],
)
def test_what_is_usual_in_research_stays_allowed(change):
    parse(changed(change))

"""Study `mechanisms`: which noise levels denoisers go wrong at, and what is said of it."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.params import load
from pipeline.making.shared import make_shared
from pipeline.studies.bench.study import Bench
from pipeline.studies.points.mechanisms.point import denoiser_error

mechanisms = STUDIES["mechanisms"]
ROOT = Path(__file__).resolve().parents[2]
GENERATIONS = range(1, 11)


def mechanisms_rows(*arms: str) -> pd.DataFrame:
    made = [
        {"seed": seed, "noise": noise, "arm": arm, "generation": t, "predicted": 0.1, "trace_ratio": 1.4, "mean_error": 0.1}
        | {"fid": (0.01 if arm == "real" else 0.1) * (1 + seed) * (t if noise == "runaway" else 1), "p_mean": 0.5, "p_std": 1.8}
        | {f"error at {level:g}": 0.1 * level for level in (0.1, 1.0)}
        for seed in range(3)
        for noise in ("default", "runaway")
        for arm in arms
        for t in GENERATIONS
    ]
    return pd.DataFrame(made)


def test_the_mechanisms_are_told_apart_in_units_of_the_control_of_the_same_seed_and_setting() -> None:
    noise = {"default": {}, "runaway": {"p_mean": -1.2, "p_std": 1.2}}
    settings = mechanisms.settings(control="real", noise=noise, levels=[0.1, 1.0])
    rows = mechanisms_rows("standard", "real")
    text, tables = mechanisms.summary(settings, rows)
    ends = next(iter(tables.values())).set_index(["noise", "arm"])
    assert ends.loc[("default", "standard"), "end_median"] == pytest.approx(10)
    assert ends.loc[("default", "standard"), "end_over_prediction_median"] == pytest.approx(2)
    assert ends.loc[("runaway", "standard"), "slope_median"] > 0 == ends.loc[("default", "standard"), "slope_median"].round(9)
    assert "knows neither the denoiser's errors" in text
    curves = mechanisms.plot(settings, rows).axes[0].lines
    assert sum(line.get_label() == "standard, predicted" for line in curves) == 1


def test_a_denoiser_that_is_exact_for_its_training_set_has_no_error_and_another_has_its_own(tmp_path: Path) -> None:
    mean, covariance = torch.tensor([1.0, -1.0]).double(), torch.tensor([[2.0, 1.0], [1.0, 2.0]]).double()

    class Exact(torch.nn.Module):
        sigma_data, off = 1.4, 0.0

        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            noised = covariance + sigma.double() ** 2 * torch.eye(2).double()
            scale = sigma * self.sigma_data / (sigma**2 + self.sigma_data**2).sqrt()
            return (mean + (x.double() - mean) @ torch.linalg.solve(noised, covariance) + self.off * scale).float()

    denoiser = Exact()
    for off in (0.0, 0.3):
        denoiser.off = off
        found = denoiser_error(denoiser, mean, covariance, 3.0, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        assert found == pytest.approx(off, abs=1e-5)


def test_a_chain_can_be_trained_on_other_levels_from_a_generation_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load(ROOT / "presets" / "smoke.yaml")
    monkeypatch.chdir(tmp_path)
    make_shared(params)
    noise = {"first": {"p_mean": -1.0, "p_std": 1.0}, "both": {"begins_as": "first", "switched": 2, "arms": ["standard"]}}
    settings = mechanisms.settings(control="standard", noise=noise, levels=[0.1, 1.0])
    mechanisms.check(settings, params, {"seed": [0], "noise": ["both"], "arm": ["standard", "sims"]})
    first, second = mechanisms.point(Bench(params, settings, {"seed": 0, "noise": "both", "arm": "standard"}))
    assert (first["p_mean"], first["p_std"], second["p_std"]) == (-1.0, 1.0, 1.2)
    assert second["p_mean"] == pytest.approx(-0.16, abs=0.01)
    assert first["error at 1"] > 0
    assert mechanisms.point(Bench(params, settings, {"seed": 0, "noise": "both", "arm": "sims"})) == []
    for wrong, says in (({"noise": ["none"]}, "axes.noise: 'none'"), ({"arm": ["none"]}, "axes.arm: 'none'")):
        with pytest.raises(ValueError, match=says):
            mechanisms.check(settings, params, {"seed": [0], "noise": ["both"], "arm": ["sims"]} | wrong)

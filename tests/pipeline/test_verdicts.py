"""What the report says of made-up curves whose answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.params import Params, load
from pipeline.reporting.costs import costs
from pipeline.reporting.verdicts import headline, mad

ROOT = Path(__file__).resolve().parents[2]
GENERATIONS = np.arange(1, 41)
FLAT, RISING = np.full(40, 0.02), 0.02 * 1.1 ** (GENERATIONS - 1)
NO_STEPS = pd.DataFrame(columns=["chain", "step", "generation", "seconds", "began", "pid"])


@pytest.fixture
def params() -> Params:
    return load(ROOT / "presets/gaussian.yaml")


def table(**arms: list[np.ndarray]) -> pd.DataFrame:
    """The results of arms, each a list of curves, one a seed."""
    rows = [
        {"arm": arm, "seed": seed, "generation": t, "fid": fid, "images_seen": 200 if arm == "sims" else 100, "nfe": 35}
        for arm, curves in arms.items()
        for seed, curve in enumerate(curves)
        for t, fid in enumerate(curve, start=1)
    ]
    return pd.DataFrame(rows)


def test_the_slope_is_that_of_log10_fid_and_the_factor_the_ends_mean_over_the_controls_mean(params):
    rows = mad(params, table(standard=[RISING, RISING], real=[FLAT, FLAT])).set_index("arm")
    assert rows.loc["standard", "slope"] == pytest.approx(np.log10(1.1))
    assert rows.loc["standard", "factor"] == pytest.approx(RISING[-10:].mean() / 0.02)
    assert rows.loc["standard", "growth"] == pytest.approx(rows.loc["standard", "factor"])
    assert list(rows["verdict"]) == ["collapsed", "stable"]


def test_intervals_are_over_seeds_and_hold_the_value(params):
    rows = mad(params, table(standard=[RISING, 1.5 * RISING, 2 * RISING], real=[FLAT, FLAT, FLAT])).set_index("arm")
    row = rows.loc["standard"]
    assert row["factor_low"] == pytest.approx(RISING[-10:].mean() / 0.02)
    assert row["factor_low"] < row["factor"] < row["factor_high"] == pytest.approx(2 * row["factor_low"])


def test_an_arm_that_is_bad_from_the_start_but_does_not_rise_has_no_clear_verdict(params):
    rows = mad(params, table(standard=[10 * FLAT], sims=[FLAT], real=[FLAT])).set_index("arm")
    assert rows.loc["standard", "verdict"] == "unclear"


def test_an_arm_that_rises_by_less_than_the_margin_has_drifted_and_not_stayed(params):
    rows = mad(params, table(standard=[np.linspace(0.02, 0.035, 40)], sims=[FLAT], real=[FLAT])).set_index("arm")
    assert rows.loc["standard", "verdict"] == "drifted"
    assert rows.loc["sims", "verdict"] == "stable"


def test_with_one_seed_the_spread_of_its_last_generations_is_given_and_said_to_be_no_interval(params):
    results = table(standard=[RISING], sims=[FLAT], real=[FLAT])
    rows = mad(params, results)
    assert np.isnan(rows["slope_low"]).all()
    low, high = np.quantile(RISING[-10:], [0.1, 0.9]) / 0.02
    assert rows["factor_low"][0] == pytest.approx(low)
    assert rows["factor_high"][0] == pytest.approx(high)
    assert "One seed only, so no interval over seeds" in headline(params, results, rows, pd.DataFrame())[-1]


def test_the_answer_names_the_collapsed_arm_first_its_factor_and_what_sims_costs(params):
    results = table(sims=[FLAT, FLAT], standard=[RISING, RISING], real=[FLAT, FLAT])
    first, second, _ = headline(params, results, mad(params, results), costs(params, results, NO_STEPS))
    factor = RISING[-10:].mean() / 0.02
    assert first.startswith("standard collapsed (MAD)")
    assert f"{factor:.3g} times" in first
    assert second.startswith("sims stayed stable")
    assert "2.00 times the images seen" in second
    assert "seconds" not in second  # nothing was timed


def test_the_answer_says_so_where_no_arm_collapsed_and_where_it_is_too_early(params):
    results = table(standard=[FLAT], sims=[FLAT], real=[FLAT])
    assert headline(params, results, mad(params, results), pd.DataFrame())[0] == "No arm has collapsed."
    early = table(standard=[FLAT[:7]], sims=[FLAT[:7]])
    assert headline(params, early, mad(params, early), pd.DataFrame())[0].startswith("Too early")


def test_seconds_are_those_after_generation_1_and_their_shares_of_the_steps(params):
    results = table(standard=[FLAT], sims=[FLAT])
    seconds = [("standard", "train", 1, 0.0), ("standard", "train", 2, 3.0), ("standard", "sample", 2, 1.0)]
    seconds += [("sims", "train", 1, 9.0), ("sims", "train", 2, 6.0), ("sims", "fine-tune", 2, 2.0)]
    steps = pd.DataFrame(
        [
            {"chain": f"{arm}/seed0", "step": step, "generation": t, "seconds": each, "began": float(place), "pid": 1}
            for place, (arm, step, t, each) in enumerate(seconds)
        ]
    )
    rows = costs(params, results, steps).set_index("arm")
    assert rows.loc["sims", "seconds"] == 8
    assert rows.loc["sims", "times_seconds"] == 2
    assert rows.loc["standard", "train"] == 0.75
    assert np.isnan(rows.loc["standard", "fine-tune"])

"""What the report says of made-up curves whose answer is known."""

import re

import numpy as np
import pandas as pd
import pytest
from made_up import FLAT, GENERATIONS, NO_STEPS, RISING, gaussian, table

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import Params, parse
from pipeline.views.report.answer import headline, reference_name
from pipeline.views.report.costs import costs, evaluations
from pipeline.views.report.numerals import figure_text
from pipeline.views.report.verdicts import mad, shown, summary


@pytest.fixture
def params() -> Params:
    return gaussian()


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
    said = headline(params, results, rows, pd.DataFrame())
    assert f"{rows['factor'][0]:.3g} times ({low:.3g} to {high:.3g}) that of the control" in said[0]
    assert "One seed only, so no interval over seeds" in said[-1]
    assert "in brackets: the 10th to the 90th percentile of the last 10 generations" in said[-1]
    assert "The control's 40 independent trainings on real data alone have 1 to 1 times their mean." in said[-1]


def test_with_several_seeds_the_answer_gives_the_bootstraps_interval_and_says_so(params):
    results = table(standard=[RISING, 1.5 * RISING, 2 * RISING], real=[FLAT, 0.5 * FLAT, FLAT])
    rows = mad(params, results)
    said = headline(params, results, rows, pd.DataFrame())
    row = rows.iloc[0]
    assert f"{row['factor']:.3g} times ({row['factor_low']:.3g} to {row['factor_high']:.3g})" in said[0]
    assert "In brackets: 95 % intervals, by the bootstrap over 3 seeds" in said[-1]


def test_network_evaluations_are_those_of_all_that_is_drawn_candidates_and_rejected_samples_included(params):
    arms = params.model_dump(mode="json", exclude_none=True)["arms"] | {
        "auto": {"loop": "augmentation", "strategy": "sims", "guidance": "auto", "candidates": [0.0, 1.0]},
        "hooked": {"loop": "augmentation", "strategy": "standard", "hook": {"name": "keep-typical", "share": 0.5}},
    }
    whole = params.model_dump(mode="json", exclude_none=True)
    more = parse(whole | {"arms": arms, "evaluation": {"extractor": "identity", "n": 4000, "selection": 1000}})
    assert evaluations(more, Chain("standard", 0), 1, 35) == 12_000 * 35
    assert evaluations(more, Chain("sims", 0), 1, 70) == 12_000 * 70 + 10_000 * 35
    assert evaluations(more, Chain("auto", 0), 1, 70) == 12_000 * 70 + 10_000 * 35 + 2000 * (35 + 70)
    assert evaluations(more, Chain("hooked", 0), 1, 35) == 24_000 * 35


def test_the_answer_names_the_collapsed_arm_first_its_factor_and_what_sims_costs(params):
    results = table(sims=[FLAT, FLAT], standard=[RISING, RISING], real=[FLAT, FLAT])
    first, second, _ = headline(params, results, mad(params, results), costs(params, results, NO_STEPS))
    factor = RISING[-10:].mean() / 0.02
    assert first.startswith("standard collapsed (MAD)")
    assert f"{factor:.3g} times" in first
    assert second.startswith("sims stayed stable")
    # S has 10,000 samples of 35 evaluations, the output 12,000 of 70 here, standard's 12,000 of 35
    assert second.endswith(
        "a generation costs 2.00 times the training images and 2.83 times the network evaluations of sampling of standard's."
    )


def test_the_answer_says_so_where_no_arm_collapsed_and_where_it_is_too_early(params):
    results = table(standard=[FLAT], sims=[FLAT], real=[FLAT])
    assert headline(params, results, mad(params, results), pd.DataFrame())[0] == "No arm has collapsed."
    early = table(standard=[FLAT[:7]], sims=[FLAT[:7]])
    assert headline(params, early, mad(params, early), pd.DataFrame())[0].startswith("Too early")


def noted(*rows: tuple[str, str, int, float, int]) -> pd.DataFrame:
    """Notes of steps in the order in which they were made: arm (of seed 0), step, generation, seconds, process."""
    return pd.DataFrame(
        [
            {"chain": f"{arm}/seed0", "step": step, "generation": t, "seconds": each, "began": float(place), "pid": pid}
            for place, (arm, step, t, each, pid) in enumerate(rows)
        ]
    )


def test_seconds_are_those_after_generation_1_and_their_shares_of_the_steps(params):
    results = table(standard=[FLAT], sims=[FLAT])
    steps = noted(
        ("standard", "train", 1, 0.0, 1),
        ("standard", "train", 2, 3.0, 1),
        ("standard", "sample", 2, 1.0, 1),
        ("sims", "train", 1, 9.0, 1),
        ("sims", "train", 2, 6.0, 1),
        ("sims", "fine-tune", 2, 2.0, 1),
    )
    rows = costs(params, results, steps).set_index("arm")
    assert rows.loc["sims", "seconds"] == 8
    assert rows.loc["sims", "times_seconds"] == 2
    assert rows.loc["standard", "train"] == 0.75
    assert np.isnan(rows.loc["standard", "fine-tune"])


def test_seconds_are_those_of_the_generations_that_there_are_and_of_the_arms_own_steps(params):
    former = [("standard", "train", t, 0.1, 1) for t in range(1, 41)]
    other = ("standard", "fine-tune", 2, 50.0, 1)  # when the arm's strategy was another
    begun = ("standard", "train", 4, 70.0, 2)
    steps = noted(*former, other, ("standard", "train", 1, 0.0, 2), *(("standard", "train", t, 10.0, 2) for t in (2, 3)), begun)
    latest = steps.drop_duplicates(["chain", "step", "generation"], keep="last")  # as `step_seconds` gives them
    row = costs(params, table(standard=[FLAT[:3]]), latest).iloc[0]
    assert row["seconds"] == 10
    assert row["train"] == 1


def test_seconds_leave_out_what_went_on_from_a_checkpoint_and_every_process_may_make_one_generation(params):
    whole = [("standard", "train", t, 10.0, 1) for t in (2, 3)]
    resumed = [("standard", "train", 4, 0.5, 2), ("standard", "train", 5, 12.0, 2)]
    five = table(standard=[FLAT[:5]])
    assert costs(params, five, noted(("standard", "train", 1, 0.0, 1), *whole, *resumed))["seconds"][0] == pytest.approx(32 / 3)
    alone = noted(*(("standard", "train", t, 0.0 if t == 1 else 10.0, t) for t in range(1, 6)))
    assert costs(params, five, alone)["seconds"][0] == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (999.4, "999"),
        (999.7, "1000"),
        (1234.5, "1234"),
        (99_999.0, "99999"),
        (123_456.0, "1.23e+05"),
        (3.2e24, "3.2e+24"),
    ],
)
def test_numbers_are_short_however_large(value: float, text: str) -> None:
    assert figure_text(value) == text
    assert figure_text(-value) == f"-{text}"


def test_the_answer_of_a_diverged_arm_prints_no_endless_digits(params):
    results = table(standard=[0.02 * 1e25 ** (GENERATIONS / 40)], sims=[FLAT], real=[FLAT])
    said = headline(params, results, mad(params, results), pd.DataFrame())
    assert "e+2" in said[0]
    assert not re.search(r"\d{6}", " ".join(said))


def state(arm: str, seed: int, text: str = "complete") -> dict[str, object]:
    return {"arm": arm, "seed": seed, "state": text}


def test_an_arm_is_judged_by_its_seeds_that_are_long_enough_and_the_answer_says_by_how_many(params):
    results = table(standard=[RISING, RISING[:3], RISING], sims=[FLAT], real=[FLAT, FLAT, FLAT])
    states = [state("standard", 0), state("standard", 1, "failed: the loss is not finite"), state("standard", 2)]
    rows = mad(params, results, states)
    row = rows.set_index("arm").loc["standard"]
    assert (row["verdict"], row["seeds"], row["chains"], row["generations"]) == ("collapsed", 2, 3, 40)
    assert row["factor"] == pytest.approx(RISING[-10:].mean() / 0.02)
    assert shown(rows)[0]["seeds"] == "2 of 3"
    said = headline(params, results, rows, pd.DataFrame())
    assert said[0].startswith(
        "standard collapsed (MAD), judged by 2 of 3 seeds, without seed 1 (failed, 3 generations):"
        " its FID over the last 10 of 40 generations, "
    )


def test_an_arm_that_failed_after_enough_generations_is_judged_and_said_to_have_failed(params):
    results = table(standard=[RISING], sims=[FLAT[:12], FLAT], real=[FLAT, FLAT])
    states = [state("standard", 0), state("sims", 0, "failed: x"), state("sims", 1), state("real", 0), state("real", 1)]
    assert mad(params, results, states).set_index("arm").loc["sims", "cut"] == ""  # too short beside the other
    assert mad(params, table(sims=[FLAT[:12]]), states[1:2])["cut"][0] == "seed 0 (failed, 12 generations)"
    results = table(standard=[RISING], sims=[FLAT[:30], FLAT], real=[FLAT, FLAT])
    rows = mad(params, results, states)
    assert rows.set_index("arm")["cut"].to_dict() == {"standard": "", "sims": "seed 0 (failed, 30 generations)", "real": ""}
    said = headline(params, results, rows, pd.DataFrame())
    assert said[1].startswith("sims stayed stable, but seed 0 (failed, 30 generations) did not reach the end: its FID over")


def test_a_control_alone_is_held_against_its_own_generation_1(params):
    control = params.model_copy(update={"arms": {"real": params.arms["real"]}})
    results = table(real=[FLAT, 2 * FLAT])
    said = headline(control, results, mad(control, results), pd.DataFrame())
    assert said[1].startswith("real stayed stable: its FID over the last 10 of 40 generations, 0.03, is ")
    assert said[1].endswith(" is 1 times (1 to 1) that of its own generation 1.")


def test_seeds_of_other_lengths_are_compared_over_the_generations_that_they_have_in_common(params):
    long = np.concatenate([RISING, RISING[-1:].repeat(60)])
    rows = mad(params, table(standard=[long, RISING, long[:60]], real=[FLAT, FLAT, FLAT]))
    row = rows.set_index("arm").loc["standard"]
    assert (row["seeds"], row["generations"], row["end_over"]) == (2, 60, 15)  # 40 are less than half of 100
    assert row["left_out"] == "seed 1 (40 generations)"
    assert row["end_mean"] == pytest.approx(RISING[-1])
    assert row["slope_low"] == row["slope_high"]  # the two have the same generations


def test_an_arm_that_cannot_be_judged_is_named_with_the_reason_and_nobody_says_that_none_has_collapsed(params):
    results = table(standard=[FLAT[:3], FLAT[:1], FLAT[:5]], real=[FLAT, FLAT, FLAT])
    states = [
        state("standard", 0, "failed: x"),
        state("standard", 1, "failed: y"),
        state("standard", 2, "running, generation 6"),
    ]
    states += [state("sims", 0, "failed: the loss is not finite")] + [state("real", seed) for seed in range(3)]
    rows = mad(params, results, states)
    assert rows.set_index("arm")["verdict"].to_dict() == {"standard": "too early", "sims": "failed", "real": "stable"}
    first, second = headline(params, results, rows, pd.DataFrame())
    assert first.startswith("Too early")
    assert second == (
        "Not judged, without a chain of 8 generations: standard, seeds 0, 1 (failed, 1 to 3 generations) and seed 2 (running, 5"
        " generations); sims, seed 0 (failed, no generation)."
    )
    some = pd.concat([table(sims=[FLAT]), results])
    said = headline(params, some, mad(params, some, states[:3]), pd.DataFrame())
    assert said[0] == "No arm that is judged has collapsed."
    assert said[1].startswith("sims stayed stable")
    assert said[2].startswith("Not judged, without a chain of 8 generations: standard, seeds 0, 1 (failed")


def test_arms_that_failed_in_their_first_generation_are_in_the_table_and_the_summary_and_in_the_answer(params):
    nothing = pd.DataFrame(columns=["arm", "seed", "generation", "fid"])
    states = [state("standard", 0, "failed: x"), state("sims", 0, "not started")]
    rows = mad(params, nothing, states)
    assert summary(rows) == {"standard": {"verdict": "failed"}, "sims": {"verdict": "too early"}}
    said = " ".join(headline(params, nothing, rows, pd.DataFrame()))
    assert "standard, seed 0 (failed, no generation); sims, seed 0 (not started, no generation)" in said
    begun = mad(params, nothing, [state("standard", 0, "not started")])
    assert headline(params, nothing, begun, pd.DataFrame()) == ["No generation is finished yet."]


def test_without_a_reference_an_arm_is_held_against_its_own_generation_1_alone(params):
    results = table(sims=[RISING, RISING])
    rows = mad(params, results)
    assert rows["verdict"][0] == "collapsed"
    first, *others = headline(params, results, rows, pd.DataFrame())
    growth = RISING[-10:].mean() / 0.02
    assert f"is {growth:.3g} times ({growth:.3g} to {growth:.3g}) that of its own generation 1" in first
    assert "nan" not in " ".join([first, *others, reference_name(params, results)])
    assert mad(params, table(sims=[FLAT, FLAT]))["verdict"][0] == "stable"
    assert mad(params, table(sims=[np.linspace(0.02, 0.035, 40)]))["verdict"][0] == "drifted"


def test_the_answer_says_of_each_arm_where_its_interval_comes_from(params):
    def said(**curves: list[np.ndarray]) -> str:
        results = table(**curves)
        return headline(params, results, mad(params, results), pd.DataFrame())[-1]

    assert said(standard=[RISING, 2 * RISING, RISING], sims=[FLAT[:20]], real=[FLAT, FLAT, FLAT]).startswith(
        "In brackets: 95 % intervals, by the bootstrap over 3 seeds, and rough with so few; for sims, of one seed only:"
        " the 10th to the 90th percentile of the last 5 generations"
    )
    assert "by the bootstrap over 10 to 12 seeds." in said(standard=[RISING] * 12, sims=[FLAT] * 10, real=[FLAT])
    single = said(standard=[RISING], sims=[FLAT[:20]], real=[FLAT])
    assert "One seed only" in single
    assert "of the last 5 to 10 generations" in single

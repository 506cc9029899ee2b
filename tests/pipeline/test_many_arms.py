"""The answer where there are many arms."""

import pandas as pd
import pytest
from made_up import FLAT, NO_STEPS, RISING, gaussian, table

from pipeline.experiment.params import Params, parse
from pipeline.views.report.answer import answer_table, headline
from pipeline.views.report.costs import costs
from pipeline.views.report.verdicts import mad


@pytest.fixture
def params() -> Params:
    return gaussian()


def many_arms(params: Params) -> Params:
    """The experiment with six arms beside the control."""
    raw = params.model_dump(mode="json", exclude_none=True)
    arms = {f"w{w}": {"loop": "augmentation", "strategy": "sims", "guidance": w} for w in range(1, 6)}
    return parse(
        raw | {"arms": {"standard": raw["arms"]["standard"]} | arms | {"real": {"loop": "real", "strategy": "standard"}}}
    )


def test_many_arms_are_one_sentence_and_a_table_with_the_collapsed_ones_first(params):
    more = many_arms(params)
    curves = {f"w{w}": [FLAT, FLAT] for w in range(1, 5)} | {"w5": [RISING, 2 * RISING]}
    results = table(standard=[RISING, RISING], **curves, real=[FLAT, FLAT])
    rows = mad(more, results)
    cost = costs(more, results, NO_STEPS)
    first, last = headline(more, results, rows, cost)
    assert first == "Of 6 arms 2 collapsed (MAD): standard, w5; 4 stayed stable: w1, w2, w3, w4."
    assert last.startswith("In brackets: 95 % intervals")
    found = answer_table(more, rows, cost)
    assert [row["arm"] for row in found] == ["standard", "w5", "w1", "w2", "w3", "w4"]
    row = rows.set_index("arm").loc["w5"]
    assert found[1]["factor"] == f"{row['factor']:.3g} ({row['factor_low']:.3g} to {row['factor_high']:.3g})"
    assert (found[0]["verdict"], found[0]["seeds"], found[0]["training images"]) == ("collapsed", "2", "1.00")


def test_few_arms_have_a_sentence_each_and_no_table(params):
    results = table(standard=[RISING], sims=[FLAT], real=[FLAT])
    rows = mad(params, results)
    assert answer_table(params, rows, pd.DataFrame()) == []
    assert len(headline(params, results, rows, pd.DataFrame())) == 3


def test_of_many_arms_those_without_a_verdict_are_named_and_the_table_is_of_the_others(params):
    more = many_arms(params)
    results = table(standard=[FLAT], **{f"w{w}": [FLAT] for w in range(1, 5)}, w5=[FLAT[:3]], real=[FLAT])
    rows = mad(more, results)
    first, unjudged, _ = headline(more, results, rows, pd.DataFrame())
    assert first == "Of 5 arms none collapsed; 5 stayed stable: standard, w1, w2, w3, w4."
    assert unjudged == "Not judged, without a chain of 8 generations: w5, seed 0 (3 generations)."
    assert [row["arm"] for row in answer_table(more, rows, pd.DataFrame())] == ["standard", "w1", "w2", "w3", "w4"]

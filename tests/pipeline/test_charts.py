"""What the page's charts first show, of made-up curves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.theory import predicted
from pipeline.experiment.params import Params, load, parse
from pipeline.views.report.charts import charts
from pipeline.views.report.figures import REACH
from pipeline.views.report.results import Yardsticks

ROOT = Path(__file__).resolve().parents[2]
FLOOR = 0.001
MARKS = Yardsticks(FLOOR, 1000, "standard", None, None, None, {})


@pytest.fixture
def params() -> Params:
    """One arm that theory says much of: its own samples alone, over 100 generations."""
    raw = load(ROOT / "presets/gaussian.yaml").model_dump(mode="json", exclude_none=True)
    return parse(raw | {"arms": {"standard": {"loop": "synthetic", "strategy": "standard"}}})


def shown(params: Params, fids: list[float]) -> tuple[float, float]:
    """The lowest and the highest FID that the logarithmic axis first shows of 100 generations that end with these FIDs."""
    fids = [fids[0]] * (100 - len(fids)) + fids
    results = pd.DataFrame({"arm": "standard", "seed": 0, "generation": range(1, len(fids) + 1), "fid": fids})
    low, high = charts(params, results, MARKS)[0]["range"]
    return 10**low, 10**high


def test_a_logarithmic_axis_shows_a_prediction_that_lies_above_what_was_measured(params: Params) -> None:
    curve = predicted(params, "standard")
    assert curve is not None
    measured = curve.max() / 50
    low, high = shown(params, [0.02, measured])
    assert high == pytest.approx(1.3 * curve.max(), rel=1e-3)
    assert low == pytest.approx(FLOOR / 1.5, rel=1e-3)


def test_a_prediction_far_above_does_not_press_the_measured_curves_together(params: Params) -> None:
    curve = predicted(params, "standard")
    assert curve is not None
    assert curve.max() > 10 * REACH * 0.03
    assert shown(params, [0.02, 0.03])[1] == pytest.approx(1.3 * REACH * 0.03, rel=1e-3)


def test_a_prediction_below_leaves_the_axis_to_what_was_measured(params: Params) -> None:
    curve = predicted(params, "standard")
    assert curve is not None
    most = 10 * float(np.max(curve))
    assert shown(params, [0.02, most])[1] == pytest.approx(1.3 * most, rel=1e-3)


def test_theory_ends_with_the_generations_that_there_are(params: Params) -> None:
    results = pd.DataFrame({"arm": "standard", "seed": 0, "generation": range(1, 8), "fid": 0.02})
    ends = {trace["name"]: trace["x"][-1] for trace in charts(params, results, MARKS)[0]["traces"]}
    assert ends["standard, predicted (exact fit)"] == 7
    assert set(ends.values()) == {7}

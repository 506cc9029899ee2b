"""Where a run's time went, and when its share of orchestration is worth a row."""

import json
from pathlib import Path

import pytest

from pipeline.storage.layout import TIMINGS, Layout
from pipeline.views.report.timetable import time_table


@pytest.mark.parametrize(("seconds", "shown"), [(59.0, False), (61.0, True)])
def test_orchestration_has_a_row_where_computing_took_a_minute_however_long_the_start(tmp_path, monkeypatch, seconds, shown):
    monkeypatch.chdir(tmp_path)
    layout = Layout("points")
    (layout.runs / "sims/seed0").mkdir(parents=True)
    step = {"step": "train", "generation": 1, "seconds": seconds, "began": 195.0, "pid": 1}
    (tmp_path / Path(layout.runs) / "sims/seed0" / TIMINGS).write_text(json.dumps(step) + "\n")
    table = time_table(layout, 100.0, 200.0 + seconds).set_index("what")["seconds"]
    assert table["total"] == pytest.approx(100 + seconds)
    assert ("of which orchestration" in table) == shown
    if shown:
        assert table["of which orchestration"] == pytest.approx(100)

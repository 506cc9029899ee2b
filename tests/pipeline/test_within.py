"""How far a long step is, told by its process and read by others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.watching.long_steps import at_work, cell, clock, sentence
from pipeline.distance.blocks import featured
from pipeline.experiment.chains import Chain
from pipeline.storage import within
from pipeline.storage.layout import Layout
from pipeline.storage.leftovers import cleared
from pipeline.storage.within import Told, Within, place, told

SAID = Told(3, "train", 1200, 4800, 12.5, 150.0, 0.41234, 1, "here")


class Clock:
    """The time, which the test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(within.time, "monotonic", made.monotonic)
    return made


def test_a_short_step_writes_nothing_and_a_long_one_at_most_once_a_second_until_its_end(tmp_path, clocked):
    folder = tmp_path / "g003"
    with Within(tmp_path / "g003.partial", 3, "train", 1000) as progress:
        clocked.now = 2.9
        progress.tell(290)
        assert not list(tmp_path.iterdir())
        clocked.now = 3.0
        progress.tell(300, 0.5)
        said = told(folder)
        assert said is not None
        assert (said.generation, said.step, said.done, said.total, said.loss) == (3, "train", 300, 1000, 0.5)
        assert said.images_per_second == pytest.approx(100)
        assert said.seconds_left == pytest.approx(7)
        clocked.now = 3.9
        progress.tell(390)
        assert told(folder) == said
    assert told(folder) is None
    assert not list(tmp_path.iterdir())


def test_the_rate_is_that_of_the_last_half_minute_whatever_a_checkpoint_or_a_slow_start_had_before(tmp_path, clocked):
    rates = []
    with Within(tmp_path / "g001.partial", 1, "train", 10**6) as progress:
        for second in range(10, 200, 10):  # it begins with 500,000 from a checkpoint, at 10 a second, and then at 1000 a second
            clocked.now = float(second)
            progress.tell(500_000 + (10 * second if second < 100 else 1000 * (second - 99)))
            said = told(tmp_path / "g001")
            assert said is not None
            rates.append(said.images_per_second)
    assert rates[0] is None
    assert rates[1:9] == pytest.approx([10.0] * 8)
    assert rates[-6:] == pytest.approx([1000.0] * 6)


def test_a_step_that_fails_leaves_nothing_and_a_full_disk_stops_none(tmp_path, clocked, monkeypatch):
    def failing():
        with Within(tmp_path / "g001.partial", 1, "train", 10) as progress:
            clocked.now = 5.0
            progress.tell(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert not list(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(within.os, "replace", full)
    with Within(tmp_path / "g001.partial", 1, "train", 10) as progress:
        clocked.now = 10.0
        progress.tell(5)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_says_is_not_believed_nor_what_is_no_report_at_all(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    folder = tmp_path / "g001"

    def said(**other: object) -> Told | None:
        values = {**vars(SAID), "process": killed.pid, "host": within.socket.gethostname(), **other}
        place(folder).write_text(json.dumps(values))
        return told(folder)

    assert said() is not None
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    assert said() is None  # nobody has waited for it yet
    killed.wait()
    assert said() is None
    assert said(host="elsewhere") is not None
    os.utime(place(folder), (0, 0))
    assert told(folder) is None
    assert said(process=os.getpid()) is not None
    os.utime(place(folder), (0, 0))  # before this process began: another had its number
    assert told(folder) is None
    assert said(new="key") is None
    place(folder).write_text("{")
    assert told(folder) is None


def test_the_steps_at_work_are_found_by_their_chains_and_base_models_and_cleared_with_other_leftovers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout, chain = Layout("smoke"), Chain("sims", 1)
    here = vars(SAID) | {"process": os.getpid(), "host": within.socket.gethostname()}
    for folder in (layout.base(1), layout.extractor, layout.facts, layout.generation(chain, 3)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        place(folder).write_text(json.dumps(here))
    early = ["extractor", "floor", "base/seed1"]
    assert [*map(str, at_work(layout, [chain, Chain("sims", 0)]))] == [*early, "sims/seed1"]
    with cleared(layout.chain(chain)):
        assert [*map(str, at_work(layout, [chain]))] == early


def test_features_of_many_images_are_a_long_step_of_what_the_context_is_at_work_on(tmp_path, clocked):
    seen = list[tuple[str, int, int] | None]()

    def features(block: NDArray[np.uint8]) -> NDArray[np.float32]:
        clocked.now += 2
        said = told(tmp_path / "g002")
        seen.append(said and (said.step, said.done, said.total))
        return np.zeros((len(block), 1), np.float32)

    with within.at_work(tmp_path / "g002.partial", "judge", 2):
        featured(np.zeros((10, 3, 4, 4), np.uint8), 2, features)
    assert seen == [None, None, ("judge", 4, 10), ("judge", 6, 10), ("judge", 8, 10)]
    featured(np.zeros((10, 3, 4, 4), np.uint8), 2, features)
    assert not list(tmp_path.iterdir())


def test_it_is_put_into_words():
    assert sentence(SAID) == "train 25%: 1,200 of 4,800 images, 150 images/s, loss 0.4123, left 0:24"
    assert cell(SAID) == "25% 150/s loss 0.412 0:24"
    drawing = Told(3, "draw auxiliary", 500, 50000, 12.5, None, None, 1, "here")
    assert sentence(drawing) == "draw auxiliary 1%: 500 of 50,000 images"
    assert cell(drawing) == "1%"
    assert [clock(seconds) for seconds in (59.6, 3599, 3661)] == ["1:00", "59:59", "1:01:01"]
    assert Path(place(Path("runs/smoke/base/seed0.partial"))) == place(Path("runs/smoke/base/seed0"))

"""Kinds of the user's own: registered, refused, and taken apart into what they consist of."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, Broken
from pipeline.experiment.extensions import said_of
from pipeline.experiment.kinds import METRICS, NETWORKS, SAMPLERS, Section
from pipeline.experiment.params import load, parse
from pipeline.experiment.parts import part
from pipeline.judging.evaluation import evaluate_samples
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_whole

ROOT = Path(__file__).resolve().parents[2]
SOURCE = '''
import math, os
from pipeline.experiment.kinds import METRICS, NETWORKS, Section

WEIGHT = 2


def helper(x):
    """Used by both."""
    return x * WEIGHT


class Settings(Section):
    size: int = 1


@METRICS.register("mine", Settings)
def mine(judged, settings):
    return {"mine": helper(math.pi)}


@NETWORKS.register("mine", Settings)
class Mine:
    limit = os.sep


def build(shape, settings):
    return Mine()


NETWORKS["built"] = build
METRICS["again"] = mine
'''


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("of_ones_own")
    monkeypatch.setitem(sys.modules, "of_ones_own", made)
    exec(compile(SOURCE, "of_ones_own.py", "exec"), made.__dict__)
    yield made
    for registry, name in ((METRICS, "mine"), (METRICS, "again"), (NETWORKS, "mine"), (NETWORKS, "built")):
        del registry[name]


def test_a_part_is_what_the_kind_refers_to_and_no_other_kind(module):
    metric, network = part(module, SOURCE, METRICS, "mine"), part(module, SOURCE, NETWORKS, "mine")
    for words in ("def mine", "def helper", "WEIGHT = 2", "import math", "class Settings"):
        assert words in metric
    for words in ("class Mine", "import os", "class Settings"):
        assert words in network
    assert not {"import os", "class Mine", "def build"} & {line.strip() for line in metric.splitlines()}
    assert "helper" not in network
    assert "math" not in network
    assert "class Mine" in part(module, SOURCE, NETWORKS, "built")  # which names it
    assert "def helper" in part(module, SOURCE, METRICS, "again")


def test_a_part_changes_with_what_it_refers_to_and_not_with_comments_or_others(module):
    for old, new, metric, network in (
        ("WEIGHT = 2", "WEIGHT = 3", True, False),
        ("limit = os.sep", "limit = os.curdir", False, True),
        ("size: int = 1", "size: int = 2", True, True),
        ("# nothing", "# nothing", False, False),
        ("def helper(x):", "def helper( x ):  # the same", False, False),
    ):
        text = (SOURCE + "# nothing\n").replace(old, new)
        assert (part(module, text, METRICS, "mine") != part(module, SOURCE, METRICS, "mine")) == metric
        assert (part(module, text, NETWORKS, "mine") != part(module, SOURCE, NETWORKS, "mine")) == network


def test_what_is_done_to_a_table_of_ones_own_is_in_every_part(module):
    for done in ("TABLE['x'] = 1", "TABLE.update(x=1)", "for name in 'ab':\n    TABLE[name] = 1", "if WEIGHT:\n    TABLE = {}"):
        text = f"TABLE = {{}}\n{SOURCE}\n{done}\n"
        module.TABLE = {}
        for registry in (METRICS, NETWORKS):
            assert done.partition("\n")[0] in part(module, text, registry, "mine"), done


def test_a_kind_that_nothing_in_the_file_is_seen_to_register_is_the_whole_file(module):
    text = "for name in ('a', 'b'):\n    METRICS[name] = len\n"
    assert part(module, text, METRICS, "a") == text


def test_the_programs_own_kinds_cannot_be_taken_away_and_settings_must_be_a_section():
    with pytest.raises(ValueError, match=r"sampler\.kind: 'heun' is one of the program's own kinds"):
        SAMPLERS["heun"] = lambda denoise, latents, settings: latents
    with pytest.raises(TypeError, match="must be a subclass of Section"):
        METRICS.register("other", dict)(len)  # type: ignore[arg-type]
    assert "other" not in METRICS


def experiment(**changes: Any) -> Any:
    raw = load(ROOT / "presets" / "smoke.yaml").raw
    raw["train"] |= {"steps": 20}
    raw["auxiliary"] |= {"steps": 10}
    for name, section in changes.items():
        raw[name] = raw[name] | section if isinstance(raw[name], dict) else section
    return parse(raw)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": {"kind": "mine", "size": "x"}}, "network.width: unknown key"),
        ({"evaluation": {"metrics": ["mine", "yours"]}}, "evaluation.metrics.1: metrics must be one of again, class-entropy"),
        (
            {"evaluation": {"metrics": [{"kind": "mine", "size": "x"}]}},
            "mine.size: 'x' is not allowed: Input should be",
        ),
        ({"evaluation": {"metrics": [7]}}, "7 is not allowed: a metric is a name, or a section with kind"),
        (
            {"evaluation": {"extractor": "yours"}},
            "evaluation.extractor: 'yours' is not allowed: one of 'classifier'",
        ),
        ({"evaluation": {"extractor": {"kind": "identity", "size": 1}}}, "evaluation.extractor.size: unknown key (value 1)"),
        ({"sampler": {"kind": "yours"}}, "sampler.kind: 'yours' is not allowed: one of 'dpm++2m', 'heun', 'stochastic'"),
    ],
)
def test_a_wrong_kind_or_setting_is_a_line_with_key_value_and_what_is_allowed(module, changes, says):
    with pytest.raises(BadInput) as caught:
        experiment(**changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "metric wrong gives None"),
        ({"fid": 1.0}, "metric wrong gives fid, which another one gives"),
        ({"x": float("nan")}, "metric wrong: x is nan"),
        ({"x": "text"}, "metric wrong: x is 'text' and no number"),
    ],
)
def test_a_metric_that_gives_no_number_is_named(monkeypatch, given, says):
    monkeypatch.setitem(METRICS, "wrong", lambda judged, settings: given)
    params = experiment(evaluation={"metrics": ["wrong"]})
    with pytest.raises(Broken, match=says), said_of("judged"):
        evaluate_samples(params, np.zeros((1000, 2), np.float32) + np.random.default_rng(0).normal(size=(1000, 2)))


def test_a_metrics_settings_arrive_and_its_lists_have_floors(monkeypatch, tmp_path):
    class Settings(Section):
        power: int = 2

    monkeypatch.chdir(tmp_path)
    try:
        METRICS.register("powers", Settings)(
            lambda judged, settings: {"powers": [np.float32(each) for each in (1, settings.power)]}
        )
        params = experiment(evaluation={"metrics": [{"kind": "powers", "power": 3}]})
        make_shared(params)
        make_base(params, 0)
        make_whole(params, Chain("standard", 0), 1)
        assert '"powers": [\n    1.0,\n    3.0\n  ]' in (tmp_path / "runs/smoke/standard/seed0/g001/metrics.json").read_text()
        assert '"powers": [' in (tmp_path / "runs/smoke/real.json").read_text()
    finally:
        del METRICS["powers"]

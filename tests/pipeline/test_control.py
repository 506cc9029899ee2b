"""Study `control`: the attribute, the share in S and its correction, targets out of reach, and the choice of a candidate."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.analysis.theory import mixture_share
from pipeline.data.source import dataset
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load
from pipeline.storage.files import read_json
from pipeline.studies.bench.study import Study, StudyFile, make_point
from pipeline.studies.kind import kind_of
from pipeline.studies.pages.control.page import candidates, plot, summary
from pipeline.studies.points.control.attribute import Attribute, with_shares
from pipeline.studies.points.control.point import Settings, corrected, rescaled, within

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(group=[0, 1], real_share=0.5, by="group", guidances=[1.0, 2.0], budgets=[100], corrections=1, pool=1)


def test_the_attribute_tells_modes_apart_and_judges_by_data_with_the_share() -> None:
    params = load(ROOT / "presets" / "mixture.yaml")
    attribute, source = Attribute(params, [0, 1]), dataset(params)
    drawn = source.real(0)
    parts = attribute.parts(drawn)
    assert ((parts == 0) == (drawn[:, 0] < 0)).mean() > 0.99
    some = with_shares(drawn, parts, attribute.wanted(0.3), 1000)
    assert attribute.share(some) == pytest.approx(0.3)
    assert attribute.distance(some, 0.3) < 0.05 < attribute.distance(some, 0.6)
    floor, n = attribute.floor(0.3)
    assert n == params.evaluation.n
    assert 0 < floor < 0.005


def test_every_class_can_be_a_part_and_keeps_its_proportion_within_the_group() -> None:
    params = load(ROOT / "presets" / "mixture.yaml")
    attribute, drawn = Attribute(params, [1, 2], "classes"), dataset(params).real(0)
    assert attribute.n_group == 2
    np.testing.assert_allclose(attribute.wanted(0.3), [0.15, 0.15, 0.35, 0.35])
    some = with_shares(drawn, attribute.parts(drawn), attribute.wanted(0.3), 1000)
    np.testing.assert_allclose(attribute.shares(some), attribute.wanted(0.3))
    assert attribute.share(some) == pytest.approx(0.3)


def test_a_sub_sample_has_the_share_and_is_as_large_as_the_pool_allows() -> None:
    pool, parts = np.arange(100), np.where(np.arange(100) < 30, 0, 1)
    for share, size in ((0.3, 50), (0.0, 50), (1.0, 30), (0.6, 50), (0.9, 33)):
        chosen = with_shares(pool, parts, np.array([share, 1 - share]), 50)
        assert len(chosen) == len(set(chosen)) == size
        assert (chosen < 30).sum() == round(share * size)


def test_corrections_find_the_share_that_gives_the_target_and_stay_within_bounds() -> None:
    def reached(shares: np.ndarray) -> np.ndarray:
        return 1 / 3 - 1.1 * (shares - 1 / 3)  # the law with w = 1.5 has a slope of -1.5

    shares, wanted = np.array([0.3, 0.3, 0.4]), np.array([0.2, 0.3, 0.5])
    tried = list[tuple[np.ndarray, np.ndarray]]()
    for _ in range(3):
        tried.append((shares, reached(shares)))
        shares = corrected(tried, wanted, 1.5)
    np.testing.assert_allclose(reached(shares), wanted, atol=0.001)
    np.testing.assert_allclose(corrected([(np.array([0.05, 0.95]), np.array([0.5, 0.5]))], np.array([1.0, 0.0]), 1.0), [0, 1])
    np.testing.assert_allclose(within(np.array([-0.2, 0.5, 0.5])), [0, 0.5, 0.5])


def test_many_parts_are_corrected_by_ratios_that_come_near_in_four_steps_and_never_reach_0() -> None:
    own, wanted, w = np.array([0.1, 0.3, 0.6]), np.array([0.3, 0.3, 0.4]), 2.0

    def reached(shares: np.ndarray) -> np.ndarray:
        return within(own ** (1 + 0.7 * w) * shares ** (-0.7 * w))

    shares = own
    for _ in range(4):
        shares = rescaled(shares, reached(shares), wanted, w)
    np.testing.assert_allclose(reached(shares), wanted, atol=0.005)
    assert (rescaled(np.array([0.01, 0.99]), np.array([0.0, 1.0]), np.array([0.5, 0.5]), 2.0) > 0).all()


def test_a_target_out_of_reach_is_reported_with_the_nearest_one_and_judged_by_it(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    small = {"train.steps": 100, "auxiliary.n": 400, "evaluation.n": 400, "network.width": 16, "sampler.block": 400}
    settings = {
        "group": [0, 1],
        "real_share": 0.5,
        "by": "group",
        "guidances": [0.2],
        "budgets": [20],
        "corrections": 1,
        "pool": 2,
    }
    axes: dict[str, Any] = {"seed": [0], "target": [0.9]}
    study = Study("far", StudyFile(kind="control", preset="mixture", changes=small, axes=axes, settings=settings))
    kind, read = kind_of(study)
    make_point(study, kind.point, read, study.points[0])
    (row,) = read_json(study.path(study.points[0]))
    assert not row["feasible"]
    assert row["q_law"] < 0
    assert row["q_auxiliary"] == 0
    assert row["nearest"] == mixture_share(row["q_base"], 0.0, 0.2) < 0.9
    floor, n = Attribute(study.params(0), [0, 1]).floor(row["nearest"])
    assert (row["floor"], row["floor_n"]) == (pytest.approx(floor), n)
    assert summary(read, study.results()).text == "no target is feasible"


def rows(fids: dict[float, float | None], achieved: dict[float, float | None]) -> pd.DataFrame:
    common = {"feasible": True, "nearest": 0.8, "q_law": 0.3, "q_auxiliary": 0.2, "fid_base": 20.0, "fid_rejection": 21.0}
    common |= {"rejection_draws": 1.6, "floor": 5.0, "floor_n": 1000, "budget": 100, "achieved_by_law": 0.7, "target": 0.8}
    return pd.DataFrame(
        common | {"seed": seed, "w": w, "fid": fids[w], "achieved": achieved[w]} for seed in (0, 1) for w in fids
    )


def test_the_best_candidate_has_the_lowest_fid_of_those_that_reach_the_target() -> None:
    near = rows({1.0: 9.0, 2.0: 15.0}, {1.0: 0.6, 2.0: 0.79})
    assert list(candidates(near)["best"]) == [False, True]
    text = summary(SETTINGS, near).text
    assert "the best of 2 candidates at each target" in text
    assert "within 0.010 of the target" in text
    assert text.endswith("no target's is worse than the base's")
    assert "worse than the base's at 0.8" in summary(SETTINGS, rows({2.0: 25.0}, {2.0: 0.8})).text


def test_a_candidate_that_diverged_is_not_the_best_and_spoils_no_figure() -> None:
    mixed = rows({1.0: 15.0, 2.0: None}, {1.0: 0.8, 2.0: None})
    assert list(candidates(mixed)["best"]) == [True, False]
    labels = [line.get_label() for axes in plot(SETTINGS, mixed).axes for line in axes.lines]
    assert "floor: 1000 real samples" in labels
    assert summary(SETTINGS, rows({2.0: None}, {2.0: None})).text == "no target is feasible"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("real_share: 0.5", "real_share: 0.3", "settings.real_share: 0.3 is not allowed: the real data's is 0.477"),
        ("group: [0, 2, 4, 6, 8]", "group: [0, 10]", "settings.group: [0, 10] is not allowed: some, but not all, of 0 to 9"),
        ("kind: control\npreset: digits", "kind: control\npreset: fashion", "changes.labels: real is not allowed"),
        (
            "axes:",
            "changes: {evaluation.extractor: inception}\naxes:",
            "changes.evaluation.extractor: inception is not allowed: one that tells classes apart",
        ),
    ],
)
def test_a_study_of_images_whose_shares_are_not_as_it_says_or_that_nothing_could_steer_is_refused(
    old: str, new: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    text = Path("studies/control-digits/params.yaml").read_text()
    assert old in text
    made = StudyFile.model_validate(yaml.safe_load(text.replace(old, new)))
    with pytest.raises(BadInput, match=re.escape(words)):
        kind_of(Study("control-digits", made))

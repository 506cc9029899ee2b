"""Study `protocol`: the miniatures of published networks go the real way, from files in the real formats to the table."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import miniatures
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Project

from flows.preflight import check_files
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load
from pipeline.studies.bench.kept import Kept
from pipeline.studies.bench.study import load_study, make_point
from pipeline.studies.kind import kind_of
from pipeline.studies.page import writing
from pipeline.studies.pages.protocol.page import summary, table
from pipeline.studies.points.protocol import point
from pipeline.studies.points.protocol.point import Protocol, Settings

PRESETS = "cifar10", "ffhq64", "imagenet64"


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with what the miniatures read."""
    made = Project(tmp_path_factory.mktemp("protocol") / "project").folder
    miniatures.make(made)
    return made


@pytest.mark.parametrize("name", PRESETS)
def test_a_miniature_goes_from_real_formats_to_the_table_of_the_protocol(
    files: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    study = load_study(f"protocol-{name}-mini")
    kind, settings = kind_of(study)
    check_files(study.params(0))
    (at,) = study.points
    if name == "cifar10":
        fail_at_the_second_model(monkeypatch, lambda: make_point(study, kind.point, settings, at))
    make_point(study, kind.point, settings, at)
    assert not list(study.kept(at).glob("*.safetensors"))
    rows = table(study.results())
    assert list(rows["strategy"]) == ["base", "sims", "sims", "neon", "neon", "autoguidance"]
    assert list(rows["images_seen"])[:5] == [0, 128, 256, 128, 256]
    assert (rows["n_select"] == 16).all()
    assert (rows["n_report"] == 24).all()
    assert (rows["n_report_is"] == "below 50000").all()
    assert np.isfinite(rows[["fid", "fid_select", "seconds_training", "seconds_sampling"]].to_numpy(dtype=float)).all()
    for row in rows.itertuples():
        assert row.nfe == (6 if row.strategy in ("sims", "autoguidance") and row.w else 3)
    assert list(rows.groupby("strategy")["chosen"].sum()) == [1, 1, 1, 1]
    page, said = writing.build(study)
    assert "fewer than 50000, so not to be compared with published FIDs" in said.text
    assert "n_report_is" in page.read_text()


def fail_at_the_second_model(monkeypatch: pytest.MonkeyPatch, make: Callable[[], None]) -> None:
    """Stop a point after its fine-tuning, and see to it that what goes on does not fine-tune again."""

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(point, "auxiliary_of", stopped)
        with pytest.raises(KeyboardInterrupt):
            make()
    monkeypatch.setattr(point, "fine_tuned", stopped)


def results(fids: dict[tuple[str, int], dict[float, float | None]], report: int) -> pd.DataFrame:
    """Rows of made-up FIDs on the grid, reported 1 higher at the lowest."""
    rows = list[dict[str, Any]]()
    for (strategy, budget), of_w in fids.items():
        common = {"seed": 0, "strategy": strategy, "budget": budget, "nfe": 35, "images_seen": 512 * budget, "n_auxiliary": 0}
        common |= {"floor": 0.5, "floor_n": 10}
        rows += [common | {"w": w, "phase": "select", "n": 10, "fid": fid} for w, fid in of_w.items()]
        w = min(of_w, key=lambda each: of_w[each] if of_w[each] is not None else np.inf)  # type: ignore[arg-type, return-value]
        rows.append(common | {"w": w, "phase": "report", "n": report, "fid": None if of_w[w] is None else of_w[w] + 1})  # type: ignore[operator]
    return pd.DataFrame(rows)


def test_the_budget_is_chosen_by_the_samples_to_choose_by_and_fewer_than_50000_are_said_to_be() -> None:
    fids = {("base", 0): {0.0: 2.0}, ("sims", 64): {0.5: 1.5, 1.0: 1.4}, ("sims", 128): {0.5: 1.2, 1.0: None}}
    for report, said in ((50_000, "as published"), (49_999, "below 50000")):
        settings = Settings(
            protocol=Protocol(select=10, report=report), budgets=[64, 128], guidances=[0.5, 1.0], strategies=["sims"]
        )
        found = results(fids, report)
        rows = table(found)
        assert list(rows["n_report_is"]) == [said] * 3
        assert list(rows["w"]) == [0.0, 1.0, 0.5]
        assert list(rows["chosen"]) == [True, False, True]
        text = summary(settings, found).text
        assert "sims: FID 2.2 (w = 0.5, 65536 images seen" in text
        assert ("not to be compared with published" in text) == (report < 50_000)


def test_what_is_kept_is_for_the_same_params_and_code_alone(tmp_path: Path) -> None:
    assert Kept(tmp_path, "a").measured("fid", lambda: 1.0) == 1.0
    assert Kept(tmp_path, "a").measured("fid", lambda: 2.0) == 1.0
    assert Kept(tmp_path, "b").measured("fid", lambda: 2.0) == 2.0
    assert Kept(None).measured("fid", lambda: 3.0) == 3.0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar10", ("cifar-10-binary.tar.gz", "edm-cifar10-32x32-uncond-vp.pkl", "weights inception")),
        ("ffhq64", ("ffhq-64x64.zip", "edm-ffhq-64x64-uncond-vp.pkl", "ffhq-64x64.npz")),
        ("imagenet64", ("imagenet-64x64.zip", "edm2-img64-s-1073741-0.075.pkl", "edm2-img64-xs-0134217-0.110.pkl")),
    ],
)
def test_a_preset_names_in_one_line_all_files_that_it_lacks(
    name: str, said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELF_CONSUMING_DATA", raising=False)
    monkeypatch.setenv("SELF_CONSUMING_INCEPTION", "nowhere.pt")
    with pytest.raises(BadInput) as raised:
        check_files(load(ROOT / "presets" / f"{name}.yaml"))
    assert "\n" not in str(raised.value)
    for each in (*said, "base.checkpoint: there is no file"):
        assert each in str(raised.value)


def test_the_guides_checkpoint_is_named_where_it_is_missing_or_anothers(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    params = load(files / "presets/imagenet64-mini.yaml", files)
    guide = params.arms["autoguidance"].guide
    assert guide is not None
    for changed, said in (
        ({"checkpoint": "absent.safetensors"}, "there is no file 'absent.safetensors'"),
        ({"channels": 8}, r"network.channels: 8 is not allowed: arms.autoguidance.guide.checkpoint .* has 4"),
    ):
        arm = params.arms["autoguidance"].model_copy(update={"guide": guide.model_copy(update=changed)})
        with pytest.raises(BadInput, match=said) as raised:
            check_files(params.model_copy(update={"arms": params.arms | {"autoguidance": arm}}))
        assert re.search(r"arms\.autoguidance\.guide\.checkpoint", str(raised.value))

"""Studies by the command line, by DVC and by Prefect's deployments; extensions of the user's own."""

import json
import re
import shutil
from pathlib import Path

import miniatures
import pandas as pd
import pytest

from pipeline.experiment.errors import BadInput
from pipeline.studies.bench.study import load_study
from pipeline.studies.kind import kind_of

ROOT = Path(__file__).resolve().parents[2]


def test_a_study_goes_on_point_by_point_and_dvc_makes_the_same_points(project):
    here = project()
    params = here.folder / "studies" / "pollution" / "params.yaml"
    params.write_text(params.read_text().replace("[0, 1, 2]", "[0, 1]").replace("0.5, 1.0, 2.0]", "0.5]"))
    output = here.run("flows.cli", "study", "pollution", "--preset", "smoke")
    assert "standard training is better than the unpolluted base up to" in output
    points = here.folder / "studies" / "pollution-smoke" / "points"
    made = {path.name: path.read_text() for path in points.glob("*.json")}
    assert sorted(made) == sorted(f"{seed}-{share}.json" for seed in (0, 1) for share in (0.0, 0.5))
    assert not list(here.folder.glob("studies/*/dvc.yaml"))  # so that a plain dvc status is about the experiment
    here.run("flows.cli", "study", "pollution-smoke", "--recipe")
    assert "up to date" in here.run("dvc", "repro", "studies/pollution-smoke/dvc.yaml")
    table = pd.read_csv(here.folder / "reports" / "studies" / "pollution-smoke" / "points.csv")
    assert len(table) == 2 * 2 * 3
    assert (table[table["share"] == 0.5]["n_polluting"] == 250).all()

    (points / "1-0.5.json").unlink()
    output = here.run("flows.cli", "study", "pollution-smoke")
    assert "point   1/1  1-0.5" in output
    assert {path.name: path.read_text() for path in points.glob("*.json")} == made
    assert "everything is up to date" in here.run("flows.cli", "study", "pollution-smoke")

    (points / "0-0.5.json").unlink()
    here.run("flows.cli", "study", "pollution-smoke", "--recipe")
    here.run("dvc", "repro", "--force", "-s", "studies/pollution-smoke/dvc.yaml:point@0-0.5")
    assert (points / "0-0.5.json").read_text() == made["0-0.5.json"]


def test_a_sweep_is_made_by_prefect_and_goes_on_and_dvc_makes_the_same_points(project):
    here = project()
    (here.folder / "studies" / "mine").mkdir()
    (here.folder / "studies" / "mine" / "params.yaml").write_text(
        "kind: sweep\npreset: smoke\nchanges: {train.steps: 20, auxiliary.steps: 20, generations: 1}\n"
        "axes:\n  arms.sims.guidance: {from: 0.5, to: 1.0, step: 0.5}\n  arms.sims.hook:\n"
        "  - {name: keep-typical, share: 0.5}\nsettings: {arms: [sims]}\n"
    )
    output = here.run("flows.cli", "study", "mine")
    assert "of 2 places the best is arms.sims.guidance = " in output
    points = here.folder / "studies" / "mine" / "points"
    made = {path.name: path.read_bytes() for path in points.iterdir()}
    assert len(made) == 2
    here.run("flows.cli", "study", "mine", "--recipe")
    assert "up to date" in here.run("dvc", "repro", "studies/mine/dvc.yaml")
    first = sorted(made)[0]
    (points / first).unlink()
    here.run("dvc", "repro", "--force", "-s", f"studies/mine/dvc.yaml:point@{first.removesuffix('.json')}")
    assert {path.name: path.read_bytes() for path in points.iterdir()} == made
    params = here.folder / "studies" / "mine" / "params.yaml"
    params.write_text(params.read_text().replace("arms: [sims]", "arms: [sims], metric: kid"))
    assert "everything is up to date" not in (output := here.run("flows.cli", "study", "mine"))
    assert "kid " in output  # the page anew, and no point
    assert "point " not in output


@pytest.mark.parametrize("name", ["protocol-ffhq64-mini", "protocol-imagenet64-mini"])
def test_a_protocol_of_published_files_is_made_by_the_command_once(project, name):
    here = project()
    miniatures.make(here.folder)
    output = here.run("flows.cli", "study", name)
    assert "fewer than 50000, so not to be compared with published FIDs" in output
    table = pd.read_csv(here.folder / "reports" / "studies" / name / "points.csv")
    assert sorted(set(table["strategy"])) == ["autoguidance", "base", "neon", "sims"]
    assert set(table["n"]) == {16, 24}
    assert "everything is up to date" in here.run("flows.cli", "study", name)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: pollution", "kind: polution", "kind: 'polution' is not allowed: one of control,"),
        ("share:", "shares:", "axes: seed, shares is not allowed: they must be seed, share"),
        ("  guidances: [0.0, 1.0, 1.5]", "  guidances: [-101.0]", "settings.guidances.0: -101.0 is not allowed"),
        ("  guidances: [0.0, 1.0, 1.5]", "  guidance: 1.0", "settings.guidances"),
        ("kind: pollution", "kind: pollution\nnote: x", "note: unknown key (value 'x'); allowed are kind, preset, changes,"),
        ("settings:", "settings:\n  note: x", "settings.note: unknown key (value 'x'); allowed are guidances"),
        ("preset: digits", "preset: digit", "presets/digit.yaml: no such file"),
        ("seed: [0, 1, 2]", "seed: [0.5]", "axes.seed.0: 0.5 is not allowed"),
        ("share: [0.0,", "share: [abc,", "axes.share.0: 'abc' is not allowed"),
        (
            "preset: digits",
            "preset: digits\nchanges: {seeds.x: 1}",
            "changes.seeds.x: seeds in presets/digits.yaml is no section",
        ),
        ("preset: digits", "preset: digits\nchanges: {train.steps: 0}", "train.steps: 0 is not allowed"),
    ],
)
def test_a_wrong_study_file_is_named_with_key_and_value(tmp_path, monkeypatch, old, new, words):
    for part in ("presets", "studies"):
        shutil.copytree(ROOT / part, tmp_path / part)
    monkeypatch.chdir(tmp_path)
    path = Path("studies/pollution/params.yaml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInput, match=re.escape(words)):
        kind_of(load_study("pollution"))


def test_dvc_status_says_nothing_of_studies_even_after_a_kill(finished_copy):
    here = finished_copy
    left = here.folder / "studies" / "pollution" / "dvc.yaml"
    here.run("flows.cli", "study", "pollution", "--recipe")
    assert left.exists()
    here.run("flows.cli", "run")
    assert not left.exists()
    assert here.run("dvc", "status").strip().endswith("Data and pipelines are up to date.")


def test_bad_studies_end_with_one_line(project):
    here = project()
    assert "study: 'improvements' is not allowed" in here.run("flows.cli", "study", "improvements", code=2)
    assert "preset: 'smok' is not allowed" in here.run("flows.cli", "study", "pollution", "--preset", "smok", code=2)


def test_an_arm_from_a_file_of_the_users_own_is_run_by_prefect_and_dvc(project):
    here = project()
    arm = "mine: {loop: every-second, strategy: narrowed, hook: {name: towards-the-mean, strength: 0.1}}"
    here.edit("arms:", f"extensions: [examples/my_arms.py]\narms:\n  {arm}")
    here.run("flows.cli", "run", "--arm", "mine")
    metrics = json.loads((here.folder / "runs/smoke/mine/seed0/g002/metrics.json").read_text())
    assert metrics["generation"] == 2
    assert "0 differences" in here.run("flows.cli", "verify", "--arm", "mine")
    assert "didn't change, skipping" in here.run("dvc", "repro", "runs/smoke/mine/seed0/g002/dvc.yaml")

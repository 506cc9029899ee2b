"""Runs that begin with a checkpoint, for real: by the flow and by `dvc repro`, to the same bytes."""

import re
import shutil
from collections.abc import Callable

import pytest
from conftest import Project
from published_files import content, write
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file

FILE = "points.safetensors"
ARMS = """arms:
  again: {loop: augmentation, strategy: standard, init: checkpoint}
  sims: {loop: augmentation, strategy: sims, guidance: 1.0}
"""


def from_points(text: str) -> str:
    """Preset smoke from a checkpoint of its network, a little shorter."""
    text = text.replace("steps: 200", "steps: 60").replace("steps: 100", "steps: 30")
    return re.sub(r"\narms:\n(  .*\n)+", f"\nbase: {{checkpoint: {FILE}}}\n{ARMS}", text)


@pytest.fixture(scope="module")
def started(finished: Project, tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Project:
    """A project in which `self-consuming run` has made two arms that begin with another experiment's base model."""
    made = Project(tmp_path_factory.mktemp("checkpoint") / "project", edit=from_points)
    shutil.copy(finished.folder / "runs/smoke/base/seed0/base.safetensors", made.folder / FILE)
    made.run("flows.cli", "run")
    return made


def test_dvc_repro_gives_the_flows_bytes_and_verify_agrees(started, tmp_path):
    repro = Project(tmp_path / "repro", edit=from_points)
    shutil.copy(started.folder / FILE, repro.folder / FILE)
    repro.run("dvc", "repro")
    assert repro.bytes() == started.bytes()
    assert (started.folder / "runs/smoke/sims/seed0/g001/base.safetensors").read_bytes() == (started.folder / FILE).read_bytes()
    assert "4 generations verified, 0 differences" in started.run("flows.cli", "verify")
    assert "Data and pipelines are up to date." in started.run("dvc", "status")
    assert "everything is up to date" in started.run("flows.cli", "run")
    assert re.search(r"again/seed0 +2 +0 +0", started.run("flows.cli", "status"))
    points, _ = started.tracked()
    assert points[("again/seed0", "fid", 2)] == 1


def test_another_file_makes_base_and_chains_stale_and_one_that_is_gone_stops_a_run_before_it_makes_anything(started, tmp_path):
    here = started.copy(tmp_path / "copy")
    former = here.bytes()
    save_file({name: value * 1.01 for name, value in load_file(here.folder / FILE).items()}, here.folder / FILE)
    assert re.findall(r"^(\S+):$", here.run("dvc", "status"), re.M)[0] == "runs/smoke/dvc.yaml:base-seed0"
    (here.folder / FILE).unlink()
    said = here.run("flows.cli", "run", code=2)
    assert re.search(rf"^error: base.checkpoint: there is no file '{FILE}'", said, re.M)
    assert "Traceback" not in said
    assert here.bytes() == former


def test_an_imported_network_of_images_gives_the_same_bytes_by_both(
    project: Callable[..., Project], prefect_server: None
) -> None:
    made = [project(name, preset="digits") for name in ("flow", "repro")]
    write(made[0].folder / "net.pkl", content("ddpmpp-grey"))
    said = YAML(typ="safe").load(made[0].run("flows.cli", "import-checkpoint", "net.pkl"))
    shutil.copy(made[0].folder / "net.safetensors", made[1].folder)
    for each in made:
        raw = YAML(typ="safe").load(each.folder / "params.yaml") | said
        raw |= {"generations": 2, "n_synthetic": 16, "evaluation": {"extractor": "identity", "n": 66}}
        raw["train"] |= {"steps": 3, "batch": 16}
        raw["auxiliary"] |= {"steps": 3, "batch": 16, "n": 16}
        raw["sampler"] |= {"steps": 3}
        raw["arms"] = {"sims": {"loop": "augmentation", "strategy": "sims", "guidance": 0.5, "init": "checkpoint"}}
        YAML(typ="safe").dump(raw, each.folder / "params.yaml")
    made[0].run("flows.cli", "run")
    made[1].run("dvc", "repro")
    assert made[0].bytes() == made[1].bytes()
    assert len(made[0].bytes()) > 10
    first = made[0].folder / "runs/digits/sims/seed0/g001/base.safetensors"
    assert first.read_bytes() == (made[0].folder / "net.safetensors").read_bytes()

"""The worked examples: kinds of one's own in one file, and a network of another library."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, Project

from pipeline.experiment.params import load
from pipeline.generation.compute import fresh_denoiser

KINDS = Path("examples/own_kinds.py")
CHAINS = 2 * 2
"""Generations of both arms."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Project:
    """A project in which `self-consuming run` has made examples/own_kinds.yaml."""
    made = Project(tmp_path_factory.mktemp("own") / "project")
    shutil.copy(ROOT / "examples" / "own_kinds.yaml", made.folder / "params.yaml")
    made.run("flows.cli", "run")
    return made


def stale(here: Project) -> list[str]:
    """The stages that DVC holds for stale, once the program has looked at the user's files."""
    here.run("flows.cli", "status")
    return re.findall(r"^(\S+):$", here.run("dvc", "status"), re.M)


def test_kinds_of_ones_own_are_in_the_metrics_the_report_and_mlflow(own):
    metrics = json.loads((own.folder / "runs/own/sims/seed0/g002/metrics.json").read_text())
    assert metrics["extractor"] == "pooled"
    assert metrics["nfe"] == 2 * 12  # two networks, Euler's steps
    assert metrics["n_samples"] == 300
    assert 0 < json.loads((own.folder / "runs/own/real.json").read_text())["floors"]["ink"] < 1
    table = pd.read_csv(own.folder / "reports/own/collapse.csv")
    assert (table["ink"] == table["ink"]).all()
    assert "ink" in (own.folder / "reports/own/report.html").read_text()
    points, _ = own.tracked()
    assert points[("sims/seed0", "own/ink", 2)] == 1
    assert "4 generations verified, 0 differences" in own.run("flows.cli", "verify")
    assert "Data and pipelines are up to date." in own.run("dvc", "status")


def test_dvc_repro_gives_the_flows_bytes_with_kinds_of_ones_own_and_dropout(own, tmp_path):
    alone = Project(tmp_path / "alone")
    text = (ROOT / "examples" / "own_kinds.yaml").read_text().replace("generations: 2", "generations: 1")
    (alone.folder / "params.yaml").write_text(re.sub(r"\n  standard: .*", "", text))
    alone.run("dvc", "repro")
    made = alone.bytes()
    assert len([path for path in made if path.endswith((".npy", ".safetensors", ".json", ".png"))]) == 8
    assert {path: own.bytes()[path] for path in made if "dvc.yaml" not in path} == {
        path: md5 for path, md5 in made.items() if "dvc.yaml" not in path
    }


CHANGES = {
    "metric": (">= settings.threshold", "> settings.threshold", 0, 0, CHAINS + 1),
    "network": ("functional.silu", "functional.relu", 1, CHAINS, 0),
    "sampler": ("(t_next - t) / t", "1.0 * (t_next - t) / t", 0, CHAINS, 0),
    "extractor": ("/ 255", "/ 256", 0, 0, CHAINS + 1),
    "study": ('"FID is lowest', '"The FID is lowest', 0, 0, 0),
    "a comment": ("# none", "# another one", 0, 0, 0),
}
"""What is changed in the file, and how many base models, generations and judgements are stale for it."""


def test_what_is_stale_is_what_uses_the_part_that_has_changed(own, tmp_path):
    here = own.copy(tmp_path / "copy")
    text = (here.folder / KINDS).read_text() + "# none\n"
    for what, (old, new, base, generations, judged) in CHANGES.items():
        assert text.count(old) == 1, what
        (here.folder / KINDS).write_text(text.replace(old, new))
        names = [stage.rpartition(":")[2] for stage in stale(here)]
        found = names.count("base-seed0"), names.count("generation"), names.count("judged")
        assert found == (base, generations, judged), what
        assert set(names) <= {"base-seed0", "generation", "judged", "report"}, what


def test_another_data_file_makes_everything_stale_and_a_new_metric_trains_nothing(own, tmp_path):
    here = own.copy(tmp_path / "copy")
    with np.load(here.folder / "examples/own_kinds.npz") as file:
        images = file["images"].copy()
    images[0] = 0
    weights = {path: md5 for path, md5 in here.bytes().items() if path.endswith((".safetensors", ".npy"))}
    (here.folder / KINDS).write_text((here.folder / KINDS).read_text().replace(">= settings", "> settings"))
    said = here.run("flows.cli", "run")
    assert said.count("generation   2/2") == 2
    assert "train" not in said.partition("what seconds")[2]
    assert {path: md5 for path, md5 in here.bytes().items() if path in weights} == weights
    np.savez_compressed(here.folder / "examples/own_kinds.npz", images=images)
    names = [stage.rpartition(":")[2] for stage in stale(here)]
    assert {name: names.count(name) for name in names} == {"data": 1, "base-seed0": 1, "generation": 4, "judged": 5}


def test_a_study_of_ones_own_kind_is_made(own, tmp_path):
    here = own.copy(tmp_path / "copy")
    (here.folder / "studies/own").mkdir()
    shutil.copy(here.folder / "examples/own_kinds_study.yaml", here.folder / "studies/own/params.yaml")
    assert "FID is lowest with zeta" in here.run("flows.cli", "study", "own")
    assert len(pd.read_csv(here.folder / "reports/studies/own/points.csv")) == 6
    assert "scales" in here.run("flows.cli", "kinds")
    assert "scales" not in here.run("dvc", "status")


def test_a_network_of_diffusers_is_a_network(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.chdir(ROOT)
    text = (ROOT / "examples/own_kinds.yaml").read_text()
    network = "network: {kind: diffusers-unet, channels: [16, 32], layers: 1, dropout: 0.1}"
    text = text.replace("extensions: [", "extensions: [examples/diffusers_unet.py, ")
    (tmp_path / "params.yaml").write_text(re.sub(r"network: .*", network, text))
    params = load(tmp_path / "params.yaml", ROOT)
    denoiser = fresh_denoiser(params, (1, 8, 8), seed=1).eval()
    images = torch.randn(3, 1, 8, 8)
    out = denoiser(images, torch.tensor([0.1, 1.0, 10.0]))
    assert out.shape == images.shape
    again = fresh_denoiser(params, (1, 8, 8), seed=1).eval()
    assert torch.equal(again(images, torch.tensor([0.1, 1.0, 10.0])), out)


RETURN = 'return {"ink": float('


def failing(here: Project, when: str) -> int:
    """Let the metric divide by zero; gives the line."""
    text = (here.folder / KINDS).read_text().replace(RETURN, f"{RETURN}0 / (not {when}) + ")
    (here.folder / KINDS).write_text(text)
    return next(number for number, line in enumerate(text.splitlines(), 1) if when in line)


def test_a_metric_that_fails_is_named_with_file_and_line_and_costs_no_training(own, tmp_path):
    here = own.copy(tmp_path / "copy")
    here.edit("generations: 2", "generations: 3")
    text, note = (here.folder / KINDS).read_text(), here.folder / "runs/own/standard/seed0/failure.txt"
    words = rf"division by zero \(examples/own_kinds.py, line {failing(here, 'len(judged.samples)')}\)"
    assert re.search(f"real data, judged: .*{words}", here.run("flows.cli", "run", code=1))
    assert re.search(words, note.read_text())
    (here.folder / KINDS).write_text(text)
    folder = "runs/own/standard/seed0/g003"
    failing(here, f'__import__("pathlib").Path("{folder}.partial").exists()')
    said = here.run("flows.cli", "run", "--arm", "standard", code=1)  # alone: others would see the folder
    assert "standard/seed0 generation 3, judged: " in said
    made = (here.folder / folder / "base.safetensors").stat().st_mtime_ns
    assert not (here.folder / folder / "metrics.json").exists()
    (here.folder / KINDS).write_text(text)
    said = here.run("flows.cli", "run")
    for chain in ("standard/seed0       ", "sims/seed0           "):
        assert f"{chain}generation   3/3" in said
    assert (here.folder / folder / "base.safetensors").stat().st_mtime_ns == made
    assert "6 generations verified, 0 differences" in here.run("flows.cli", "verify")

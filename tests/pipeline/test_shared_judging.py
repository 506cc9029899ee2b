"""Several processes that judge together: the moments of their shares, summed, give what one process finds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import miniatures
import pytest
from conftest import ROOT, Project

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.job import Job
from pipeline.making.judgement import judge_generation
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_generation, make_step
from pipeline.storage.files import read_json
from pipeline.storage.layout import CHOICE, MADE, METRICS, PICTURE, SYNTHETIC, Layout

CHAIN = Chain("sims", 0)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The values of the miniature of CIFAR-10, whose SIMS arm chooses its w, in a folder with its data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    miniatures.make(tmp_path)
    raw = load(ROOT / "presets/cifar10-mini.yaml").model_dump(exclude_unset=True)
    raw["arms"] = {"sims": raw["arms"]["sims"] | {"guidance": "auto", "candidates": [0.5, 1.0]}}
    raw["evaluation"] |= {"n": 23, "selection": 50, "selection_n": 51}
    raw["data"] |= {"n_real": 40}
    return raw


def by(raw: dict[str, Any], processes: int) -> Params:
    return parse(raw | {"engine": {"threads": 1, "processes_per_chain": processes}})


def test_two_processes_choose_and_judge_as_one_does(images: dict[str, Any]) -> None:
    alone, together = by(images, 1), by(images, 2)
    folder = Layout(alone.experiment).generation(CHAIN, 1)
    make_shared(alone)
    make_base(alone, 0)
    make_generation(alone, CHAIN, 1)
    chosen = {name: read_json(folder / MADE)[name] for name in ("guidance", "selection_fid", "n_selection")}
    work = Path(shutil.copytree(folder, folder.with_name("again")))
    make_step(Job(together, CHAIN, 1, work), "guided sample", "chosen by two")
    assert read_json(work / CHOICE) == pytest.approx(chosen, rel=1e-9)
    assert (work / SYNTHETIC).read_bytes() == (folder / SYNTHETIC).read_bytes()
    found = list[dict[str, Any]]()
    for params in (alone, together):
        judge_generation(params, CHAIN, 1)
        found.append(read_json(folder / METRICS))
    one, two = found
    assert one.keys() == two.keys()
    assert two["n_samples"] == 23
    for name, value in one.items():
        assert two[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name
    assert one["fid"] != one["fid_base"]
    assert not list(Layout(alone.experiment).runs.rglob("*processes*"))
    picture = (folder / PICTURE).read_bytes()
    judge_generation(alone, CHAIN, 1)
    assert (folder / PICTURE).read_bytes() == picture


def test_what_two_processes_made_is_verified_by_as_many(project: Callable[..., Project]) -> None:
    here = project(edit=lambda text: text.replace("workers: auto,", "workers: 1, processes_per_chain: 2,"))
    here.run("flows.cli", "run", "--arm", "standard", "--generations", "1")
    assert "0 differences" in here.run("flows.cli", "verify", "--arm", "standard")

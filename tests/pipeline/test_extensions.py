"""Code of the user's own: where it may lie, what depends on it, and how its errors are said."""

import json
import re

import pytest
from conftest import Project

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.making.environments import others
from pipeline.recipes.rendering import recipe

LOOP = """from pipeline.experiment.kinds import LOOPS
from pipeline.generation.loops import Loop

inputs = ["table.txt"]


def halves(sources):
    return sources.real[: len(sources.real) // int(open("table.txt").read())]


LOOPS["halves"] = Loop(halves)
"""


def own(here: Project, extension: str) -> None:
    """Let the project's one arm be of the user's own loop."""
    here.edit("arms:", f"extensions: [{extension}]\narms:\n  mine: {{loop: halves, strategy: standard}}")
    (here.folder / "table.txt").write_text("2")


@pytest.mark.parametrize("place", ["../mine.py", "mine"])
def test_a_file_outside_the_project_and_a_module_are_dependencies_with_what_they_read(project, place, monkeypatch):
    here = project()
    outside = here.folder.parent
    (outside / "mine.py").write_text(LOOP)
    own(here, place)
    monkeypatch.syspath_prepend(outside)
    here.run("flows.cli", "run", "--arm", "mine", PYTHONPATH=str(outside))
    folder = "runs/smoke/mine/seed0/g002/dvc.yaml"
    assert "up to date" in here.run("dvc", "status", folder, PYTHONPATH=str(outside))
    (here.folder / "table.txt").write_text("4")
    assert "table.txt" in here.run("dvc", "status", folder, PYTHONPATH=str(outside))
    (here.folder / "table.txt").write_text("2")
    (outside / "mine.py").write_text(LOOP + "# no other code\n")
    assert "mine/seed0                       2      0" in here.run("flows.cli", "status", PYTHONPATH=str(outside))
    (outside / "mine.py").write_text(LOOP.replace("real) //", "real) // 1 //"))
    assert "mine.py" in here.run("dvc", "status", "runs/smoke/dvc.yaml", PYTHONPATH=str(outside))
    assert "mine/seed0                       0      2" in here.run("flows.cli", "status", PYTHONPATH=str(outside))


def test_kinds_lists_all_that_may_be_named_with_settings_the_users_own_included(project):
    here = project()
    (here.folder / "mine.py").write_text(LOOP)
    own(here, "mine.py")
    said = here.run("flows.cli", "kinds")
    for words in ("gaussian-mixture        n_real, modes, spacing, spread", "(mine.py)", "residual-mlp", "keep-typical"):
        assert words in said, words
    assert re.search(r"heun +zeta, block, steps", said)
    assert re.search(r"improvement +axes seed, n; settings selection_seeds", said)


def test_an_error_in_an_extension_names_its_file_and_line_in_the_message_and_in_the_chains_note(project):
    here = project()
    (here.folder / "mine.py").write_text(LOOP)
    own(here, "mine.py")
    (here.folder / "table.txt").write_text("none")
    said = here.run("flows.cli", "run", "--arm", "mine", code=1)
    words = r"mine/seed0 generation 2, step train: ValueError: invalid literal .* \(mine.py, line 8\)"
    assert re.search(words, said)
    assert re.search(words, (here.folder / "runs/smoke/mine/seed0/failure.txt").read_text())


NETWORK = """
from torch import nn
from models.registry import NETWORKS

@NETWORKS.register("mine")
class Mine(nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.layer = nn.Linear(shape[0], 1)

    def forward(self, x, c_noise):
        return LINE
"""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("self.layer(x)", r"the network gives \[128, 1\] for x of \[128, 2\]: its output must have the shape of x"),
        ("x + int('none')", r"ValueError: invalid literal for int\(\) .* \(mine.py, line 12\)"),
    ],
)
def test_a_network_of_ones_own_that_is_wrong_ends_a_run_with_one_line(project, line, says):
    here = project()
    (here.folder / "mine.py").write_text(NETWORK.replace("LINE", line))
    here.edit("network: {kind: mlp, width: 32, depth: 2, embedding: 16}", "network: {kind: mine}\nextensions: [mine.py]")
    said = here.run("flows.cli", "run", "--quiet", code=1)
    assert re.search(rf"failed: a first step of training.*: {says}", said)
    assert "Traceback" not in said


def test_a_chain_that_was_made_on_another_kind_of_machine_is_named_before_anything_is_made(finished_copy, monkeypatch):
    here = finished_copy
    metrics = here.folder / "runs/smoke/sims/seed0/g002/metrics.json"
    row = json.loads(metrics.read_text())
    assert re.fullmatch(r"cpu, float32, torch [\d.]+, 1 process", row["environment"])
    assert "warning" not in here.run("flows.cli", "status")
    metrics.write_text(json.dumps(row | {"environment": "cuda, float32, torch 2.0.0, 1 process"}))
    words = "warning: sims/seed0 was made with cuda, float32, torch 2.0.0, 1 process; here it is cpu"
    assert words in here.run("flows.cli", "status")
    monkeypatch.chdir(here.folder)
    params = load(here.folder / "params.yaml")
    assert len(others(params, [Chain("sims", 0), Chain("standard", 0)])) == 1
    assert words in here.run("flows.cli", "run")
    assert "extensions" not in recipe(params, Chain("sims", 0), 2)

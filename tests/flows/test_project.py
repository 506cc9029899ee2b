"""The Python interface: results, samples and models of a folder from anywhere, and what is said of what is not there."""

import json
import os
import re
from contextlib import chdir
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

from flows.project import BadInput, Project, RunFailed

NOTEBOOK = "examples/notebook.ipynb"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another folder to work in, which must stay as it is."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert Path.cwd() == folder
    assert list(folder.iterdir()) == []


def test_results_are_those_of_the_table_whatever_folder_the_caller_works_in(finished, elsewhere):
    opened = Project(os.path.relpath(finished.folder))
    table = pd.read_csv(finished.folder / "reports/smoke/collapse.csv")
    results = opened.results()
    assert list(results.columns) == list(table.columns)
    assert len(results) == 4
    np.testing.assert_array_equal(results["fid"], table["fid"])
    assert opened.params.experiment == "smoke"
    assert [str(chain) for chain in opened.chains] == ["standard/seed0", "sims/seed0"]
    assert opened.report == finished.folder / "reports/smoke/report.html"


def test_status_says_what_is_done_and_missing(finished_copy, elsewhere):
    opened = Project(finished_copy.folder)
    assert opened.status()[["done", "stale", "missing"]].to_numpy().tolist() == [[2, 0, 0], [2, 0, 0]]
    finished_copy.edit("generations: 2", "generations: 3")
    status = opened.status().set_index("arm")
    assert status["missing"].to_dict() == {"standard": 1, "sims": 1}
    assert status["fid"].to_dict() == opened.results().groupby("arm")["fid"].last().to_dict()


def test_samples_are_arrays_that_can_be_read_from_anywhere(finished, elsewhere):
    opened = Project(finished.folder)
    written = np.load(finished.folder / "runs/smoke/sims/seed0/g002/synthetic.npy")
    samples = opened.samples("sims")
    assert samples.labels is None
    np.testing.assert_array_equal(samples.values, written)
    assert not np.array_equal(opened.samples("sims", generation=1).values, written)
    np.testing.assert_array_equal(opened.real().values, np.load(finished.folder / "runs/smoke/data/real-seed0.npy"))


@pytest.mark.parametrize("arm", ["standard", "sims"])
def test_a_model_draws_the_generations_own_samples_and_others_by_seed(finished, elsewhere, arm):
    opened, former = Project(finished.folder), torch.get_num_threads()
    model = opened.model(arm, seed=0, generation=2)
    np.testing.assert_array_equal(model.sample(700).values, opened.samples(arm).values[:700])
    drawn = model.sample(600, seed=3).values
    np.testing.assert_array_equal(model.sample(20, seed=3).values, drawn[:20])
    assert not np.array_equal(model.sample(20, seed=4).values, drawn[:20])
    assert np.cov(drawn.T) == pytest.approx(np.cov(opened.samples(arm).values.T), abs=0.5)
    assert torch.get_num_threads() == former


def test_a_model_denoises_by_its_arms_formula(finished, elsewhere):
    opened = Project(finished.folder)
    output, base, auxiliary = (opened.model("sims", part=part) for part in ("output", "base", "auxiliary"))
    assert output.guidance == 1.0
    x = 3 * np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    expected = 2 * base.denoise(x, 2.0) - auxiliary.denoise(x, 2.0)
    np.testing.assert_allclose(output.denoise(x, 2.0), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(output.denoise(x, np.full(50, 2.0)), output.denoise(x, 2.0))
    np.testing.assert_allclose(output.denoise(x, 1e-4), x, atol=1e-3)  # nothing to be taken away
    point = torch.tensor(x, requires_grad=True)
    (slope,) = torch.autograd.grad(output.denoise(point, 2.0).sum(), point)
    assert slope.shape == x.shape


def test_what_is_no_project_or_has_made_nothing_is_said_with_what_was_looked_for(project, elsewhere):
    with pytest.raises(BadInput, match=rf"there is no folder {re.escape(str(elsewhere))}/nowhere$"):
        Project("nowhere")
    with pytest.raises(BadInput, match=rf"is no project: looked for {re.escape(str(elsewhere))}/params.yaml$"):
        Project()
    new = Project(project().folder)
    for ask in (new.results, new.real, lambda: new.samples("sims"), lambda: new.model("sims")):
        with pytest.raises(BadInput, match=r"'smoke' has made nothing yet: looked for \S+/runs/smoke/real.json"):
            ask()


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ({"arm": "neon"}, "arm: 'neon' is not allowed: params.yaml has standard, sims"),
        ({"arm": "sims", "seed": 3}, "seed: 3 is not allowed: arm sims has 0"),
        ({"arm": "sims", "generation": 3}, "generation: 3 of sims/seed0 is not finished: 2 are, of today's params.yaml"),
        ({"arm": "sims", "generation": 0}, "is not finished"),
        ({"arm": "sims", "part": "guide"}, "part: 'guide' is not allowed: output, base or auxiliary"),
        ({"arm": "standard", "part": "auxiliary"}, "part: 'auxiliary' is not allowed: strategy 'standard' has no second model"),
    ],
)
def test_what_the_experiment_has_not_is_said_with_what_it_has(finished, ask, says):
    with pytest.raises(BadInput, match=re.escape(says)):
        Project(finished.folder).model(**ask)


def test_what_a_model_cannot_take_is_said(finished):
    model = Project(finished.folder).model("standard")
    for given, says in (
        ((np.zeros((5, 3)), 1.0), r"x: \[5, 3\] is not allowed: it must be \[B, 2\]"),
        ((np.zeros((5, 2)), 0.0), r"sigma: 0.0 is not allowed: one number above 0"),
        ((np.zeros((5, 2)), np.ones(4)), r"one for each of the 5 samples"),
        ((np.zeros((5, 2)), 1.0, np.zeros(5)), r"this model is told of no classes"),
    ):
        with pytest.raises(BadInput, match=says):
            model.denoise(*given)
    for n, seed in ((0, 1), (5, -1)):
        with pytest.raises(BadInput, match="is not allowed: a number from"):
            model.sample(n, seed)


def test_two_projects_whose_extensions_differ_are_not_mixed_up(project):
    folders = [project(name).folder for name in ("one", "two")]
    for folder in folders:
        params = (folder / "params.yaml").read_text()
        (folder / "params.yaml").write_text(params + "extensions: [examples/my_arms.py]\n")
    Project(folders[0])
    Project(folders[1])
    file = folders[1] / "examples/my_arms.py"
    file.write_text(file.read_text().replace("1.05", "1.5"))
    with pytest.raises(BadInput, match=r"examples/my_arms.py is not what this process has loaded by that name"):
        Project(folders[1])
    Project(folders[0])


def test_a_run_from_python_fails_with_its_own_line(finished_copy, elsewhere, monkeypatch, capsys):
    monkeypatch.setenv("PREFECT_API_URL", finished_copy.server)
    opened = Project(finished_copy.folder)
    with pytest.raises(BadInput, match=r"^arm: 'neon' is not allowed: params.yaml has standard, sims$"):
        opened.run(arms=["neon"])
    assert "error: arm: 'neon'" in capsys.readouterr().err
    finished_copy.edit("zeta: 1.0", "zeta: 1.0e+30")
    with pytest.raises(RunFailed, match="standard/seed0 generation 1"):
        opened.run(arms=["standard"])


def test_the_notebook_runs_from_its_folder_and_its_outputs_are_cleared(finished_copy, monkeypatch, capsys):
    monkeypatch.setenv("PREFECT_API_URL", finished_copy.server)
    matplotlib.use("Agg")
    finished_copy.edit("generations: 2", "generations: 3")
    cells = json.loads((finished_copy.folder / NOTEBOOK).read_text())["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in codes)
    names: dict[str, object] = {}
    with chdir(finished_copy.folder / "examples"):
        for cell in codes:
            exec(compile("".join(cell["source"]), NOTEBOOK, "exec"), names)
    assert len(names["results"]) == 6
    assert names["more"].shape == (500, 2)
    assert "generation   3/3" in capsys.readouterr().err

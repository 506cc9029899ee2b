"""Experiments side by side: found by name, drawn on one axis where they are comparable, and said where they are not."""

import re
import shutil
import subprocess
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from conftest import Project, asked, until

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load
from pipeline.views.compare import page
from pipeline.views.compare.comparison import differences
from pipeline.views.compare.sides import sides_of
from pipeline.views.report import report
from pipeline.views.report.provenance import note_params


def reported(project: Project) -> Project:
    with chdir(project.folder):
        report.build(load(Path("params.yaml")))
    return project


def changed(project: Project, **columns: object) -> None:
    """Let the results be others, made with today's params."""
    folder = project.folder / "reports/smoke"
    pd.read_csv(folder / "collapse.csv").assign(**columns).to_csv(folder / "collapse.csv", index=False)
    note_params(folder, load(project.folder / "params.yaml"))


@pytest.fixture
def other(small, tmp_path):
    """A project, and beside it a copy with another guidance and other curves, both with reports."""
    copy = reported(small).copy(tmp_path / "other")
    copy.edit("guidance: 1.0", "guidance: 0.5")
    changed(copy, fid=lambda table: table["fid"] * 2)
    return copy


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_an_experiment_and_a_folder_are_on_one_page_and_in_one_table(small, other):
    output = small.run("flows.cli", "compare", "smoke", "../other")
    made = small.folder / "reports/compare/smoke-vs-other"
    assert output == "reports/compare/smoke-vs-other/report.html\n"
    table = pd.read_csv(made / "compare.csv")
    assert table.groupby("of", sort=False).size().to_dict() == {"smoke": 16, "other": 16}
    fids = table.groupby("of")["fid"].mean()
    assert fids["other"] == pytest.approx(2 * fids["smoke"])
    text = (made / "report.html").read_text()
    for name in ("smoke: standard", "smoke: sims", "other: standard", "other: sims"):
        assert f'"name": "{name}"' in text
    assert re.search(r"<td>arms.sims.guidance</td><td>1.0</td><td>0.5</td></tr>\s*</table>", text)
    assert text.count("<figcaption>") == 2
    assert text.count("too early") == 2 * 4
    assert 'class="unclear"' not in text


@pytest.mark.parametrize(
    ("old", "new", "column", "value", "says"),
    [
        ("", "", "extractor", "classifier-abc", "its extractor is classifier-abc, and that of smoke is identity"),
        ("", "", "reference", "reference-1", "its reference is reference-1, and that of smoke is truth"),
        ("[1.0, 2.0]]", "[1.0, 3.0]]", "", None, "its real distribution is another than that of smoke"),
    ],
)
def test_what_was_judged_by_something_else_is_left_out_of_the_curves_and_it_is_said(
    small, other, old, new, column, value, says
):
    other.edit(old, new)
    changed(other, **({column: value} if column else {}))
    output = small.run("flows.cli", "compare", "smoke", "../other")
    assert f"warning: other is not on the curves, since its values cannot be compared: {says}" in output
    made = small.folder / "reports/compare/smoke-vs-other"
    assert set(pd.read_csv(made / "compare.csv")["of"]) == {"smoke"}
    text = (made / "report.html").read_text()
    assert '"name": "other: sims"' not in text
    assert says in text
    assert "other (not on the curves)</td><td>sims</td>" in text


def test_other_numbers_of_samples_are_drawn_and_said(small, other):
    changed(other, n_samples=500, n_reference=500)
    output = small.run("flows.cli", "compare", "smoke", "../other")
    assert "warning: other is judged by 500 samples a generation, and not 1000 as smoke" in output
    assert len(pd.read_csv(small.folder / "reports/compare/smoke-vs-other/compare.csv")) == 32


def test_a_copy_of_the_reports_folder_alone_is_enough(small, tmp_path):
    shutil.copytree(reported(small).folder / "reports/smoke", tmp_path / "kept")
    small.edit("guidance: 1.0", "guidance: 0.25")
    with chdir(small.folder):
        kept, mine = sides_of(["../kept", "smoke"])
        assert differences([kept, mine]).empty  # both are those of the results, and not of today's params.yaml
        Path("../kept/collapse.csv").write_text(Path("../kept/collapse.csv").read_text() + "\n")
        with pytest.raises(BadInput, match=r"has results but no params: looked for \.\./kept/params.yaml"):
            sides_of(["../kept", "smoke"])  # those beside it are of other results


def test_more_than_four_have_curves_that_can_be_told_apart(small, tmp_path):
    names = [f"copy{number}" for number in range(5)]
    for name in names:
        shutil.copytree(reported(small).folder / "reports/smoke", tmp_path / name)
    with chdir(small.folder):
        _, comparison = page.build([f"../{name}" for name in names])
    drawn = page.charts(comparison)[0]["traces"]
    lines = [(trace["line"]["color"], trace["line"]["dash"]) for trace in drawn if trace["line"]["width"]]
    assert len(lines) == len(set(lines)) == 10


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["smoke"], "compare: 'smoke' is not enough: two or more are compared"),
        (["smoke", "smoke"], "compare: 'smoke' is given twice"),
        (["smoke", "nope"], "compare: 'nope' is nothing with results; there are experiments here: smoke; git revisions: "),
        (["smoke", "runs"], "compare: runs has neither collapse.csv nor params.yaml; there are"),
        (["smoke", "main"], "compare: 'main': dvc.lock of the commit "),
        (["smoke", "--"], "two or more are compared"),
    ],
)
def test_wrong_names_are_one_line_that_says_what_is_there(small, names, says):
    git(reported(small).folder, "add", "params.yaml")
    git(small.folder, "commit", "-m", "params alone")
    git(small.folder, "branch", "--force", "-m", "main")
    output = small.run("flows.cli", "compare", *names, code=2)
    assert says in output
    assert output.count("\n") == 1
    assert not (small.folder / "reports/compare").exists()


def test_dvc_experiments_and_revisions_are_read_from_the_cache_and_nothing_is_checked_out(finished_copy):
    here = finished_copy
    git(here.folder, "add", "params.yaml", "dvc.yaml", ".dvc/config", ".gitignore", "runs", "dvc.lock", "models", "pipeline")
    git(here.folder, "commit", "-m", "the smoke experiment")
    here.run("dvc", "remote", "add", "--default", "shelf", str(here.folder.parent / "shelf"))
    here.run("dvc", "push")
    here.run("dvc", "exp", "run", "--name", "half", "--set-param", "arms.sims.guidance=0.5")
    git(here.folder, "checkout", "--", "params.yaml")  # and so the workspace is neither
    before = here.bytes()
    output = here.run("flows.cli", "compare", "HEAD", "half")
    assert output.splitlines()[-1] == "reports/compare/HEAD-vs-half/report.html"
    assert here.bytes() == before
    table = pd.read_csv(here.folder / "reports/compare/HEAD-vs-half/compare.csv")
    wide = table.pivot_table(index=["arm", "generation"], columns="of", values="fid")
    assert (wide.loc["standard", "HEAD"] == wide.loc["standard", "half"]).all()
    assert (wide.loc["sims", "HEAD"] != wide.loc["sims", "half"]).all()
    text = (here.folder / "reports/compare/HEAD-vs-half/report.html").read_text()
    assert "<td>arms.sims.guidance</td><td>1.0</td><td>0.5</td>" in text
    assert text.count("<figcaption>") == 2
    here.edit("guidance: 1.0", "guidance: 2.0")
    git(here.folder, "commit", "-m", "params that nothing was made with", "params.yaml")
    with chdir(here.folder):
        assert [side.params["arms"]["sims"]["guidance"] for side in sides_of(["HEAD", "half"])] == [1.0, 0.5]
    shutil.rmtree(here.folder / ".dvc/cache/files")
    said = here.run("flows.cli", "compare", "HEAD", "half", code=2)  # only HEAD's are in the remote
    assert said == "error: compare: 'half': its collapse.csv is neither in DVC's cache nor in its remote\n"
    assert here.run("flows.cli", "compare", "HEAD", "HEAD^{commit}") == "reports/compare/HEAD-vs-HEAD-commit/report.html\n"


def test_the_page_asks_nothing_of_the_network_and_shows_every_curve(small, other, browser):
    small.run("flows.cli", "compare", "smoke", "../other")
    address = (small.folder / "reports/compare/smoke-vs-other/report.html").as_uri()
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get(address)
    until(lambda: browser.find_elements("css selector", "#chart .legendtoggle"))
    assert len(browser.find_elements("css selector", "#chart .legendtoggle")) == 4
    box = browser.find_element("css selector", "#curves input")
    drawn = len(browser.find_elements("css selector", "#chart .scatterlayer .trace"))
    box.click()
    until(lambda: len(browser.find_elements("css selector", "#chart .scatterlayer .trace")) == drawn - 3)
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []
    assert asked(browser) == {address}

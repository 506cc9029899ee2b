"""A report that is watched while a run goes on."""

import os
import shutil
import signal
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest
from conftest import Project, until
from grown import page_of

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.making.failures import note_failure
from pipeline.recipes.rendering import render
from pipeline.storage.layout import RUNNER
from pipeline.storage.ownership import owned
from pipeline.views.report import report


def ends_with_the_failure(process: subprocess.Popen[str], project: Project) -> None:
    """A watched report ends by itself, and its page, which reloads itself no longer, has the failure."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "reports/smoke/report.html" in out
    page = page_of(project).read_text()
    assert "failed: the loss is not finite" in page
    assert 'http-equiv="refresh"' not in page


@pytest.mark.parametrize("finish", [True, False])
def test_a_watched_report_follows_the_run_and_its_page_reloads_itself_only_meanwhile(small, finish):
    last = small.folder / "runs/smoke/sims/seed1/g004/dvc.lock"
    lock = last.read_text()
    last.unlink()
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        assert "15 of 16 generations" in process.stderr.readline()
        assert 'http-equiv="refresh"' in page_of(small).read_text()
        if finish:
            last.write_text(lock)
        else:
            os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (0 if finish else 130)
    assert ("reports/smoke/report.html" in out) == finish
    page = page_of(small).read_text()
    assert 'http-equiv="refresh"' not in page
    assert page.endswith("</html>")
    assert ("Preliminary" in page) != finish


def test_a_watched_report_is_rebuilt_at_a_failure_and_ends_when_its_run_does(small):
    chain = small.folder / "runs/smoke/sims/seed1"
    shutil.rmtree(chain / "g004")
    with owned(chain, name=RUNNER):
        process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
        assert "15 of 16 generations" in process.stderr.readline()
        (chain / "failure.txt").write_text("the loss is not finite")
        assert "15 of 16 generations" in process.stderr.readline()
        assert process.poll() is None
    ends_with_the_failure(process, small)


def test_a_watched_report_leaves_what_the_run_has_reported_as_it_is_and_knows_its_length(small):
    small.edit("generations: 4", "generations: 3")
    wanted = {Chain(arm, seed): 4 for arm in ("standard", "sims") for seed in (0, 1)}
    last = small.folder / "runs/smoke/sims/seed1/g004/dvc.lock"
    lock = last.read_text()
    last.unlink()
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        render(params, wanted)
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        with chdir(small.folder), owned(Path("runs/smoke/sims/seed1"), name=RUNNER):
            assert "15 of 16 generations" in process.stderr.readline()
            until(lambda: 'http-equiv="refresh"' in page_of(small).read_text())
            assert not page_of(small).with_name("summary.json").exists()
            last.write_text(lock)
            report.build(params, wanted)
            assert "16 of 16 generations" in process.stderr.readline()
            made = {path: path.stat().st_mtime_ns for path in page_of(small).parent.glob("*.*") if path.suffix != ".pid"}
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "reports/smoke/report.html" in out
    small.run("flows.cli", "report", "--watch", "--every", "0.2")  # one that comes too late finds nothing to do, either
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert 'http-equiv="refresh"' not in page_of(small).read_text()


def test_a_page_that_a_run_reports_while_a_preview_of_it_is_made_stays(small, monkeypatch):
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        composed = report.compose(params, reload=5)

        def slowly(*_: object, **__: object) -> report.Composed:
            page_of(small).write_text("the run's own")
            return composed

        report.preview(params, None, reload=5)
        assert report.is_preview(page_of(small))
        monkeypatch.setattr(report, "compose", slowly)
        report.preview(params, None, reload=5)
    assert page_of(small).read_text() == "the run's own"


def test_a_watched_report_follows_params_that_are_edited_and_sees_a_run_that_failed_between_two_looks(small):
    shutil.rmtree(small.folder / "runs/smoke/sims/seed1/g004")
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        assert "15 of 16 generations" in process.stderr.readline()
        assert "waiting for a run" in process.stderr.readline()
        small.edit("generations: 4", "generations: 5")
        assert "15 of 20 generations" in process.stderr.readline()
        assert process.poll() is None
        with chdir(small.folder):
            note_failure(load(Path("params.yaml")), Chain("sims", 1), "the loss is not finite")
        ends_with_the_failure(process, small)
    finally:
        process.kill()


def test_a_wrong_interval_of_watching_is_bad_input(small):
    assert "--every: 0 is not allowed" in small.run("flows.cli", "report", "--watch", "--every", "0", code=2)
    assert "goes with --watch" in small.run("flows.cli", "report", "--every", "3", code=2)

"""The whole program, for real: Prefect server, DVC repository and MLflow store of a temporary copy."""

import csv
import json
import re
import sqlite3
import subprocess
from pathlib import Path

import pandas as pd
import pytest

VERIFY = ("flows.cli", "verify", "--arm", "sims")


def test_a_run_makes_report_curves_and_a_table_of_times(finished):
    report = finished.folder / "reports/smoke"
    table = pd.read_csv(report / "collapse.csv")
    assert list(table.columns[:5]) == ["arm", "seed", "generation", "fid", "fid_base"]
    assert len(table) == 4
    assert table["fid"].between(0, 1).all()
    assert "start-up, imports, server" in finished.output  # the table of times
    assert "Too early for a verdict" in (report / "report.html").read_text()  # its page has tests of its own
    assert (report / "collapse.gif").stat().st_size < 2**20


def test_after_a_run_dvc_has_nothing_to_do_and_neither_has_a_second_run(finished):
    assert "Data and pipelines are up to date." in finished.run("dvc", "repro")
    assert "everything is up to date" in finished.run("flows.cli", "run")


def test_mlflow_has_every_point_once_with_losses_data_tags_and_table_beside_them(finished):
    for _ in range(2):
        assert "2 chains tracked" in finished.run("flows.cli", "track")
    with sqlite3.connect(finished.folder / "mlflow.db") as store:
        points = store.execute("select run_uuid, key, step, count(*) from metrics group by run_uuid, key, step").fetchall()
        names = dict(store.execute("select run_uuid, name from runs"))
        tags = {(names[run], key): value for run, key, value in store.execute("select run_uuid, key, value from tags")}
        datasets = store.execute("select name from datasets").fetchall()
        inputs = store.execute("select count(*) from inputs").fetchone()[0]
    assert {count for *_, count in points} == {1}
    fids = [(names[run], step) for run, key, step, _ in points if key == "fid"]
    assert sorted(fids) == [(f"{arm}/seed0", step) for arm in ("sims", "standard") for step in (1, 2)]
    losses = {(names[run], key) for run, key, _, _ in points if key.startswith("loss")}
    assert losses == {
        ("sims/seed0 losses", "loss of train"),
        ("sims/seed0 losses", "loss of fine-tune"),
        ("standard/seed0 losses", "loss of train"),
    }
    assert (datasets, inputs) == ([("real-seed0",)], 2)
    assert tags["sims/seed0", "loop"] == "augmentation"
    assert tags["sims/seed0", "strategy"] == "sims"
    assert tags["sims/seed0", "extractor"] == "identity"
    assert {"version.torch", "params_hash", "device", "dvc.g002"} < {key for name, key in tags if name == "sims/seed0"}
    tables = [json.loads(path.read_text()) for path in finished.folder.glob("mlartifacts/*/artifacts/generations.json")]
    md5s = [row[2] for table in tables for row in table["data"]]
    assert len(md5s) == 4
    assert all(md5 in "".join(finished.locks().values()) for md5 in md5s)


def test_dvc_repro_alone_and_one_arm_after_the_other_without_mlflow_give_the_flows_hashes(finished, project):
    alone = project("alone")
    alone.run("dvc", "repro")
    assert alone.locks() == finished.locks()
    sequence = project("sequence", edit=lambda text: text.replace("workers: auto", "workers: 1"))
    output = sequence.run("flows.cli", "run", "--verbose", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "MLflow is left behind" in output
    assert "Finished in state Completed()" in output  # what Prefect logs
    assert "sims/seed0           generation   2/2" in output
    assert sequence.locks() == finished.locks()


def test_verify_agrees_and_names_the_file_with_a_flipped_byte(finished_copy):
    assert "1 generations verified, 0 differences" in finished_copy.run(*VERIFY, "--generation", "1")
    path = finished_copy.folder / "runs/smoke/sims/seed0/g002/synthetic.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert str(path.relative_to(finished_copy.folder)) in finished_copy.run(*VERIFY, "--generation", "2", code=1)
    facts = finished_copy.folder / "runs/smoke/real.json"
    facts.chmod(0o644)
    facts.write_text(facts.read_text().replace("0", "1", 1))
    path.with_name("metrics.json").unlink()
    said = finished_copy.run(*VERIFY, "--generation", "2", code=1)
    assert "runs/smoke/real.json: differs from what DVC recorded\n" in said
    assert "runs/smoke/sims/seed0/g002/metrics.json: is not there\n" in said
    assert "0 generations verified, 2 differences" in said


def test_dvc_repro_makes_added_generations_and_nothing_else(longer):
    for arm in ("sims", "standard"):
        assert f"Running stage 'runs/smoke/{arm}/seed0/g003" in longer.output
        assert f"Running stage 'runs/smoke/{arm}/seed0/g002" not in longer.output
    assert "Data and pipelines are up to date." in longer.run("dvc", "repro")


def test_dvc_repro_says_so_when_recipes_no_longer_fit_and_then_makes_what_is_left(finished_copy):
    params = finished_copy.folder / "params.yaml"
    both = params.read_text()
    params.write_text(both.replace("  standard: {loop: augmentation, strategy: standard}\n", ""))
    assert "give the same command again" in finished_copy.run("dvc", "repro", code=255)
    assert "Running stage 'runs/" not in finished_copy.run("dvc", "repro")
    assert "Data and pipelines are up to date." in finished_copy.run("dvc", "repro")
    assert set(pd.read_csv(finished_copy.folder / "reports/smoke/collapse.csv")["arm"]) == {"sims"}


def test_results_of_other_params_are_neither_reported_nor_tracked_nor_verified(finished_copy):
    params = finished_copy.folder / "params.yaml"
    params.write_text(params.read_text().replace("guidance: 1.0", "guidance: 0.5"))
    finished_copy.run("flows.cli", "report")
    assert set(pd.read_csv(finished_copy.folder / "reports/smoke/collapse.csv")["arm"]) == {"standard"}
    assert "1 chains tracked" in finished_copy.run("flows.cli", "track")
    assert "no such finished generation" in finished_copy.run("flows.cli", "verify", "--arm", "sims", code=2)


def test_dvc_repro_makes_a_changed_arm_alone_and_without_guidance_it_gives_the_standard_arms_bytes(finished_copy):
    params = finished_copy.folder / "params.yaml"
    params.write_text(params.read_text().replace("guidance: 1.0", "guidance: 0.0"))
    output = finished_copy.run("dvc", "repro")
    assert "Running stage 'runs/smoke/sims/seed0/g001" in output
    assert "Running stage 'runs/smoke/standard" not in output
    for generation in ("g001", "g002"):
        arms = [finished_copy.folder / f"runs/smoke/{arm}/seed0/{generation}" for arm in ("sims", "standard")]
        assert (arms[0] / "synthetic.npy").read_bytes() == (arms[1] / "synthetic.npy").read_bytes()


def test_dvcs_own_views_show_curves_metrics_params_and_experiments(finished_copy):
    git = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    for command in (["add", "."], ["commit", "--quiet", "-m", "the smoke experiment"]):
        subprocess.run([*git, *command], cwd=finished_copy.folder, check=True)
    named = {"GIT_AUTHOR_NAME": "Tester", "GIT_AUTHOR_EMAIL": "tester@example.org"}
    named |= {"GIT_COMMITTER_NAME": "Tester", "GIT_COMMITTER_EMAIL": "tester@example.org"}
    metrics = json.loads(finished_copy.run("dvc", "metrics", "show", "--json"))
    summary = json.loads((finished_copy.folder / "reports/smoke/summary.json").read_text())
    assert metrics[""]["data"]["reports/smoke/summary.json"]["data"] == summary
    finished_copy.run("dvc", "plots", "show", "--out", "shown")
    shown = (finished_copy.folder / "shown/index.html").read_text()
    assert "standard.csv" in shown
    assert "sims.csv" in shown
    said = finished_copy.run("dvc", "exp", "run", "-n", "weaker", "-S", "arms.sims.guidance=0.5", **named)
    assert "Running stage 'runs/smoke/sims/seed0/g001" in said
    assert "Running stage 'runs/smoke/standard" not in said
    assert re.search(r"params.yaml\s+arms.sims.guidance\s+1.0\s+0.5", finished_copy.run("dvc", "params", "diff"))
    finished_copy.run("dvc", "exp", "run", "--queue", "-S", "arms.sims.guidance=0.5,0.75", **named)
    finished_copy.run("dvc", "exp", "run", "--run-all", **named)  # in temporary checkouts
    table = finished_copy.run("dvc", "exp", "show", "--csv")
    shown = [row for row in csv.DictReader(table.splitlines()) if row["Experiment"]]
    assert sorted(row["arms.sims.guidance"] for row in shown) == ["0.5", "0.5", "0.75"]
    fids = {row["arms.sims.guidance"]: float(row["sims.fid"]) for row in shown}
    assert len({*fids.values(), summary["sims"]["fid"]}) == 3
    rows = {row["Experiment"]: row for row in csv.DictReader(table.splitlines())}
    assert rows["weaker"]["arms.sims.guidance"] == "0.5"
    assert float(rows["weaker"]["standard.fid"]) == pytest.approx(summary["standard"]["fid"])
    assert float(rows["weaker"]["sims.fid"]) != pytest.approx(summary["sims"]["fid"])


def test_where_a_file_of_the_program_changes_every_generation_is_made_anew(finished_copy, finished):
    sampler = finished_copy.folder / "models/samplers/heun.py"
    sampler.write_text(sampler.read_text() + "# changes no number\n")
    assert "sims/seed0                       0      2        0" in finished_copy.run("flows.cli", "status")
    said = finished_copy.run("flows.cli", "run")
    assert said.count("made anew") == 4
    assert "Data and pipelines are up to date." in finished_copy.run("dvc", "repro")
    assert finished_copy.bytes().keys() == finished.bytes().keys()
    changed = {path for path, digest in finished_copy.bytes().items() if finished.bytes()[path] != digest}
    assert {Path(path).name for path in changed} == {"dvc.lock"}


def test_two_runs_of_different_arms_at_once_do_not_get_into_each_others_way(project, finished):
    copy = project()
    runs = [copy.start("flows.cli", "run", "--arm", arm) for arm in ("standard", "sims")]
    for run in runs:
        out, err = run.communicate(timeout=200)
        assert run.returncode == 0, out + err
    chains = {path: lock for path, lock in finished.locks().items() if path.startswith("runs")}
    assert {path: lock for path, lock in copy.locks().items() if path.startswith("runs")} == chains
    copy.run("flows.cli", "run")
    assert copy.locks() == finished.locks()
    assert "0 differences" in copy.run("flows.cli", "verify")
    for _ in range(2):
        copy.run("flows.cli", "track")
    with sqlite3.connect(copy.folder / "mlflow.db") as store:
        counts = store.execute("select count(*) from metrics group by run_uuid, key, step").fetchall()
        names = [name for (name,) in store.execute("select name from runs where name like '%/seed0'")]
    assert set(counts) == {(1,)}
    assert sorted(names) == ["sims/seed0", "standard/seed0"]


def test_a_base_model_that_fails_stops_the_chains_of_its_own_seed_alone(project):
    copy = project(edit=lambda text: text.replace("seeds: [0]", "seeds: [0, 1]\nextensions: [diverging.py]"))
    (copy.folder / "diverging.py").write_text(DIVERGING)
    said = copy.run("flows.cli", "run", code=1)
    assert "base model of seed 0: the loss is not finite" in said
    assert said.count("a base model of seed 0") == 1
    assert "sims/seed1           generation   2/2" in said
    assert "standard/seed1       generation   2/2" in said
    assert not list(copy.folder.glob("runs/smoke/*/seed0/g*/metrics.json"))
    ends = {f"{arm}/seed{seed}": ["FAILED", "FINISHED"][seed] for arm in ("standard", "sims") for seed in (0, 1)}
    assert copy.statuses() == ends


def test_a_file_of_the_users_own_that_changes_in_mid_run_is_noticed_before_anything_is_recorded(project):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 99\nextensions: [mine.py]"))
    (copy.folder / "mine.py").write_text("SHARE = 0.5\n")
    process = copy.start("flows.cli", "run", "--arm", "sims")
    for line in process.stderr:
        if "generation   2/99" in line:
            break
    (copy.folder / "mine.py").write_text("SHARE = 0.25\n")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "failed: mine.py has changed since this run started: its results cannot be recorded" in said


DIVERGING = """import sys

from pipeline.generation import steps

train_base = steps.train_base


def diverges(params, seed, work):
    print("a base model of seed", seed, file=sys.stderr)
    if seed == 0:
        raise ArithmeticError("the loss is not finite")
    train_base(params, seed, work)


steps.train_base = diverges
"""
"""An extension that lets one seed's training fail."""


def test_a_loss_that_is_not_finite_fails_its_chain_with_generation_and_step_even_when_quiet(project):
    copy = project(
        edit=lambda text: text.replace(
            "auxiliary: {n: 1000, steps: 100, batch: 128, learning_rate: 2.0e-3",
            "auxiliary: {n: 1000, steps: 100, batch: 128, learning_rate: 1.0e30",
        )
    )
    output = copy.run("flows.cli", "run", "--quiet", code=1)
    reason = (
        r"failed: sims/seed0 generation 1, step fine-tune: the loss is not finite at step \d+, learning rate \d\S*e\+\d+;.*\n"
    )
    assert re.fullmatch(reason, output)
    assert (copy.folder / "runs/smoke/standard/seed0/g002/dvc.lock").exists()
    page = (copy.folder / "reports/smoke/report.html").read_text()
    assert "failed: sims/seed0 generation 1, step fine-tune: the loss is not finite at step" in page


def test_a_base_model_whose_loss_is_not_finite_fails_in_one_line(project):
    copy = project(edit=lambda text: text.replace("learning_rate: 2.0e-3", "learning_rate: 1.0e30", 1))
    output = copy.run("flows.cli", "run", code=1)
    assert "failed: base model of seed 0: the loss is not finite at step" in output
    assert "Traceback" not in output
    assert "base model of seed 0: the loss is not finite" in (copy.folder / "reports/smoke/report.html").read_text()
    assert copy.statuses() == {"standard/seed0": "FAILED", "sims/seed0": "FAILED"}
    assert "2 chains tracked" in copy.without_mlflow().run("flows.cli", "track")
    assert copy.statuses() == {"standard/seed0": "FAILED", "sims/seed0": "FAILED"}

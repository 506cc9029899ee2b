"""Bad arguments and bad states: exit 2, one line, no traceback, nothing written."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from pipeline.storage.ownership import owned


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--generations", "abc"], "argument --generations: invalid int value: 'abc'"),
        (["run", "--generations", "0"], "generations: 0 is not allowed: a number from 1 to 999"),
        (["run", "--arm", "foo"], "arm: 'foo' is not allowed: params.yaml has standard, sims"),
        (["run", "--seed", "7"], "seed: 7 is not allowed: params.yaml has 0"),
        (["runn"], "invalid choice: 'runn'"),
        (["preset", "nope"], "preset: 'nope' is not allowed: one of cifar10, cifar10-mini, cifar10-small"),
        (["verify", "--arm", "sims"], "verify: no such finished generation"),
        (["verify", "--arm", ""], "arm: '' is not allowed: params.yaml has standard, sims"),
        (["report"], "experiment: 'smoke' has made nothing yet"),
    ],
)
def test_bad_arguments_end_with_one_line(project, arguments, says):
    copy = project()
    output = copy.run("flows.cli", *arguments, code=2)
    assert says in output
    assert output.count("\n") == 1
    assert not (copy.folder / "runs").exists()


def test_params_that_are_read_only_are_not_replaced(project):
    copy = project()
    (copy.folder / "params.yaml").chmod(0o444)
    assert "error: preset: params.yaml is read-only" in copy.run("flows.cli", "preset", "digits", code=2)
    assert "experiment: smoke" in (copy.folder / "params.yaml").read_text()


def test_a_preset_keeps_params_that_were_edited_by_hand(project):
    copy = project(edit=lambda text: text + "# mine\n")
    former = (copy.folder / "params.yaml").read_text()
    for preset in ("digits", "gaussian"):
        copy.run("flows.cli", "preset", preset)
        assert f"experiment: {preset}" in (copy.folder / "params.yaml").read_text()
    assert (copy.folder / "params.previous.yaml").read_text() == former


def test_a_chain_that_another_process_works_on_is_refused_with_its_number(project):
    copy = project()
    chain = copy.folder / "runs/smoke/sims/seed0"
    with owned(chain):
        output = copy.run("flows.cli", "run", "--arm", "sims", code=1)
    assert f"runs/smoke/sims/seed0 is being worked on by process {os.getpid()}" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("device: auto", "device: cuda:99", "device: 'cuda:99' is not allowed"),
        ("engine:", "remote: shelf\nengine:", "remote: 'shelf' is not allowed: DVC knows none (dvc remote add NAME URL)"),
        ("{workers: auto,", "{kind: ray, address: 127.0.0.1:9,", "engine.address: no Ray cluster answers at '127.0.0.1:9'"),
        ("{workers: auto,", "{kind: ray, gpus_per_chain: 99,", "engine.gpus_per_chain: 99 is not allowed"),
    ],
)
def test_what_is_not_there_and_params_ask_for_is_bad_input_and_nothing_is_written(project, old, new, says):
    copy = project(edit=lambda text: text.replace(old, new))
    former = sorted(copy.folder.rglob("*"))
    output = copy.run("flows.cli", "run", code=2)
    assert says in output
    assert output.count("\n") == 1
    added = set(copy.folder.rglob("*")) - set(former)
    assert [path for path in added if "__pycache__" not in path.parts and ".dvc" not in path.parts] == []


def test_the_schema_says_what_is_allowed(project):
    arm = json.loads(project().run("flows.cli", "schema"))["$defs"]["Arm"]["properties"]
    assert {"augmentation", "synthetic", "real"} < set(arm["loop"]["enum"])
    assert {"standard", "sims"} < set(arm["strategy"]["enum"])


def test_a_recipe_of_another_experiment_is_refused(project):
    words = ["--experiment", "gaussian", "--arm", "sims", "--seed", "0", "--generation", "1"]
    assert "this generation belongs to 'gaussian'" in project().run("pipeline", "generation", *words, code=2)


def test_whoever_reads_a_long_answer_may_stop():
    reader = f"set -o pipefail; {sys.executable} -m flows.cli schema | head -1"
    done = subprocess.run(["bash", "-c", reader], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""

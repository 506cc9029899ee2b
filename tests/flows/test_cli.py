"""Bad arguments and bad states: exit 2, one line, no traceback, nothing written."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--generations", "abc"], "argument --generations: invalid int value: 'abc'"),
        (["run", "--generations", "0"], "generations: 0 is not allowed: a number from 1 to 999"),
        (["run", "--arm", "foo"], "arm: 'foo' is not allowed: params.yaml has standard, sims"),
        (["run", "--seed", "7"], "seed: 7 is not allowed: params.yaml has 0"),
        (["runn"], "invalid choice: 'runn'"),
        (["preset", "nope"], "preset: 'nope' is not allowed: one of digits, gaussian"),
        (["verify", "--arm", "sims"], "verify: no such finished generation"),
        (["report"], "experiment: 'smoke' has made nothing yet"),
    ],
)
def test_bad_arguments_end_with_one_line(project, arguments, says):
    copy = project()
    output = copy.run("flows.cli", *arguments, code=2)
    assert says in output
    assert output.count("\n") == 1
    assert not (copy.folder / "runs").exists()


def test_a_preset_keeps_the_former_params(project):
    copy = project()
    former = (copy.folder / "params.yaml").read_text()
    copy.run("flows.cli", "preset", "digits")
    assert (copy.folder / "params.previous.yaml").read_text() == former
    assert "experiment: digits" in (copy.folder / "params.yaml").read_text()


def test_a_recipe_of_another_experiment_is_refused(project):
    words = ["--experiment", "gaussian", "--arm", "sims", "--seed", "0", "--generation", "1"]
    assert "this generation belongs to 'gaussian'" in project().run("pipeline", "generation", *words, code=2)

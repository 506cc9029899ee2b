"""What is called unchanged without DVC's own reading is what DVC calls unchanged, and whatever else happens is left to DVC."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Project

from pipeline.experiment.params import load
from pipeline.records.repository import Versions
from pipeline.records.unchanged import unchanged
from pipeline.storage.layout import PARAMS

FOLDER = Path("runs/smoke/sims/seed0")
SECOND = FOLDER / "g002"
RECIPES = [FOLDER / "g001" / "dvc.yaml", SECOND / "dvc.yaml"]


def plain() -> set[Path]:
    """The recipes that are called unchanged."""
    params = load(Path(PARAMS))
    return unchanged(Versions(params)._repo, RECIPES, params.raw)


def said_by_dvc() -> set[Path]:
    """The recipes of which DVC says so."""
    stale = Versions()._repo.status(targets=[str(recipe) for recipe in RECIPES])
    return {recipe for recipe in RECIPES if not any(name.startswith(f"{recipe}:") for name in stale)}


def edited(path: Path, old: str, new: str, count: int = -1) -> None:
    text = path.read_text()
    assert old in text
    path.unlink()  # it may share its bytes with DVC's cache
    path.write_text(text.replace(old, new, count))


def object_of(path: Path) -> Path:
    """The file's place in DVC's cache."""
    (md5,) = [line for line in _lines(path) if line]
    return Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.with_name("dvc.lock").read_text().splitlines()]
    place = len(lines) - 1 - lines[::-1].index(f"- path: {path}")
    return [line.removeprefix("md5: ") for line in lines[place : place + 4] if line.startswith("md5: ")]


def overwritten(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"other")


DONE: dict[str, Callable[[], object]] = {
    "another value in params.yaml": lambda: edited(Path(PARAMS), "guidance: 1.0", "guidance: 1.5"),
    "other code in a folder": lambda: Path("models/diffusion/loss.py").write_text("# other\n"),
    "one more file of code": lambda: Path("models/diffusion/more.py").write_text("# other\n"),
    "other code of a kind": lambda: Path("models/samplers/heun.py").write_text("# other\n"),
    "other samples": lambda: overwritten(SECOND / "synthetic.npy"),
    "a picture that is gone": lambda: (SECOND / "samples.png").unlink(),
    "an object that is gone": lambda: os.unlink(object_of(SECOND / "metrics.json")),
    "another command": lambda: edited(SECOND / "dvc.yaml", "--generation 2", "--generation 1"),
    "one more dependency": lambda: edited(SECOND / "dvc.yaml", "    deps:\n", "    deps:\n    - README.md\n", 1),
    "an output less in the lock": lambda: edited(SECOND / "dvc.lock", "losses.json", "other.json"),
    "another hash in the lock": lambda: edited(SECOND / "dvc.lock", "    md5: ", "    md5: 0", 3),
    "a stage less in the lock": lambda: edited(SECOND / "dvc.lock", "  judged:", "  other:"),
    "a flag of DVC's": lambda: edited(SECOND / "dvc.yaml", "    params:\n", "    always_changed: true\n    params:\n", 1),
}


@pytest.fixture
def here(finished_copy: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(finished_copy.folder)
    return finished_copy


def test_a_finished_experiment_is_unchanged_and_dvc_is_not_asked(here, monkeypatch):
    versions = Versions(load(Path(PARAMS)))
    monkeypatch.setattr(versions._repo, "status", None)
    assert plain() == set(RECIPES) == said_by_dvc()
    assert versions.current(recipe.parent for recipe in RECIPES) == {recipe.parent for recipe in RECIPES}


def test_a_touched_file_of_the_same_bytes_is_unchanged(here):
    os.utime(SECOND / "made.json", (1, 1))
    os.utime("models/registry.py", (1, 1))
    assert plain() == set(RECIPES) == said_by_dvc()


@pytest.mark.parametrize("what", DONE)
def test_nothing_is_called_unchanged_that_dvc_calls_stale(what, here):
    DONE[what]()
    assert SECOND / "dvc.yaml" not in plain()
    assert plain() <= said_by_dvc()
    assert SECOND / "dvc.yaml" not in said_by_dvc()


def test_an_output_that_is_to_be_overlooked_is_left_to_dvc_which_refuses_it(here):
    Path(".dvcignore").write_text("losses.json\n")
    assert plain() == set()


def test_a_recipe_of_another_form_is_left_to_dvc(here):
    recipe = SECOND / "dvc.yaml"
    edited(recipe, "    outs:\n", "    desc: by hand\n    outs:\n", 1)
    assert recipe in said_by_dvc()
    assert recipe not in plain()
    assert SECOND in Versions(load(Path(PARAMS))).current([SECOND])

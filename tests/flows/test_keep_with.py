"""`keep` beside what else reads earlier generations: loops that remember them all, `init: previous`, and a remote."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import Project

TIGHT = "\nkeep: {networks: [], samples: needed}\n"
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@t")
ARMS = """arms:
  all: {loop: accumulate, strategy: standard}
  some: {loop: accumulate-subsample, strategy: sims, guidance: 1.0}
  previous: {loop: augmentation, strategy: sims, guidance: 1.0, init: previous}
"""


def three_arms(text: str) -> str:
    before, _, after = text.partition("arms:\n")
    return before.replace("generations: 2", "generations: 3") + ARMS + after[after.index("\nengine:") :]


def heavy(project: Project, arm: str) -> list[str]:
    """What is there of an arm's networks and samples, by generation and name."""
    found = (
        path for path in (project.folder / f"runs/smoke/{arm}/seed0").rglob("*") if path.suffix in {".safetensors", ".npy"}
    )
    return sorted(f"{path.parent.name}/{path.name}" for path in found)


def chains(project: Project) -> dict[str, str]:
    return {name: lock for name, lock in project.locks().items() if "/seed0/g" in name}


def test_loops_that_remember_all_keep_their_samples_and_init_previous_the_last_network(project: Callable[..., Project]) -> None:
    here, whole = project(edit=lambda text: three_arms(text) + TIGHT), project("whole", edit=three_arms)
    for each in (here, whole):
        each.run("flows.cli", "run")
    assert chains(here) == chains(whole)
    for arm in ("all", "some"):
        assert heavy(here, arm) == ["g001/synthetic.npy", "g002/synthetic.npy", "g003/synthetic.npy"]
    assert heavy(here, "previous") == ["g003/base.safetensors", "g003/synthetic.npy"]
    here.run("flows.cli", "restore", "--arm", "previous", "--generation", "2")
    assert {"g002/base.safetensors", "g002/synthetic.npy"} <= set(heavy(here, "previous"))


def test_a_clone_goes_on_from_a_remote_with_what_was_kept_alone(project: Callable[..., Project], tmp_path: Path) -> None:
    here = project(edit=lambda text: text + TIGHT + "remote: shelf\n")
    here.run("dvc", "remote", "add", "shelf", str(tmp_path / "shelf"))
    here.run("flows.cli", "run", "--arm", "sims")
    for command in (["add", "."], ["commit", "--quiet", "-m", "two generations"]):
        subprocess.run([*GIT, "-C", str(here.folder), *command], check=True)
    subprocess.run([*GIT, "clone", "--quiet", str(here.folder), str(tmp_path / "there")], check=True)
    there = Project.of(tmp_path / "there")
    said = there.run("flows.cli", "run", "--arm", "sims", "--generations", "3")
    assert "generation   3/3" in said
    assert "generation   2/3" not in said
    here.run("flows.cli", "run", "--arm", "sims", "--generations", "3")
    assert heavy(there, "sims") == heavy(here, "sims") == ["g003/synthetic.npy"]
    assert chains(there) == chains(here)

"""The door to DVC."""

from importlib import import_module
from pathlib import Path

import pytest

from pipeline.experiment.params import load
from pipeline.records import repository as versioning


def test_a_lock_is_written_whole_or_not_at_all(finished_copy, monkeypatch):
    monkeypatch.chdir(finished_copy.folder)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    lock = Path("runs/smoke/sims/seed0/g002/dvc.lock")
    former = lock.read_text()
    versions = versioning.Versions(load(Path("params.yaml")))
    versions.commit(str(lock.with_name("dvc.yaml")))
    assert lock.read_text() == former
    monkeypatch.setattr(versioning, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        versions.commit(str(lock.with_name("dvc.yaml")))
    assert lock.read_text() == former


@pytest.mark.parametrize(
    "name",
    [
        "dvc.dvcfile:modify_yaml",
        "dvc.lock:LockNoop",
        "dvc.repo:Repo._reset",
        "dvc.repo:Repo.tmp_dir",
        "dvc.repo:lock_repo",
        "dvc.rwlock:RWLOCK_FILE",
        "dvc.rwlock:rwlock",
        "dvc.utils.serialize:dumps_yaml",
        "dvc.utils.serialize:parse_yaml_for_update",
        "dvc_data.hashfile.db:HashFileDB.check",
        "dvc_data.hashfile.tree:Tree.load",
    ],
)
def test_dvc_has_the_names_beyond_its_public_ones_that_are_used(name):
    module, _, path = name.partition(":")
    found = import_module(module)
    for part in path.split("."):
        assert hasattr(found, part), f"DVC has no {name} any more: pipeline/records was written for it"
        found = getattr(found, part)

"""The door to DVC."""

from pathlib import Path

import pytest

from pipeline import versioning
from pipeline.params import load


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

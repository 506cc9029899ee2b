"""The door to DVC."""

from importlib import import_module
from pathlib import Path

import pytest
from prefect.task_runners import ProcessPoolTaskRunner

from pipeline.experiment.params import load
from pipeline.records import replaced
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
    monkeypatch.setattr(replaced, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        versions.commit(str(lock.with_name("dvc.yaml")))
    assert lock.read_text() == former


@pytest.mark.parametrize(
    "name",
    [
        "dvc.dependency.param:read_param_file",
        "dvc.dvcfile:modify_yaml",
        "dvc.lock:LockNoop",
        "dvc.repo:Repo._reset",
        "dvc.repo:Repo.tmp_dir",
        "dvc.repo:lock_repo",
        "dvc.rwlock:RWLOCK_FILE",
        "dvc.rwlock:rwlock",
        "dvc.utils.serialize:dumps_yaml",
        "dvc_data.hashfile.db:HashFileDB.check",
        "dvc_data.hashfile.tree:Tree.load",
        "mlflow.store.db.utils:MAX_RETRY_COUNT",
        "prefect.task_runners:ProcessPoolTaskRunner._forward_subprocess_messages",
        "prefect.task_runners:ProcessPoolTaskRunner._stop_message_forwarding",
    ],
)
def test_the_libraries_have_the_names_beyond_their_public_ones_that_are_used(name):
    module, _, path = name.partition(":")
    found = import_module(module)
    for part in path.split("."):
        assert hasattr(found, part), f"there is no {name} any more: search pipeline and flows for it"
        found = getattr(found, part)


def test_prefects_process_pool_has_the_attributes_that_are_set():
    pool = ProcessPoolTaskRunner(1)
    for name in ("_executor", "_initializer", "_max_workers", "_subprocess_message_queue"):
        assert hasattr(pool, name), f"there is no {name} any more: flows/pools/process_pool.py was written for it"

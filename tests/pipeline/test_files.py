"""Files that are damaged, or want to run code, are refused in a line."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.experiment.errors import RunFailed
from pipeline.generation.checkpoints import FileCheckpoint, remove
from pipeline.generation.compute import load_weights
from pipeline.storage.files import read_array, read_json, staged
from pipeline.storage.leftovers import cleared
from pipeline.storage.ownership import owned


def test_what_a_kill_left_of_checkpoints_goes_when_the_generation_is_done(tmp_path):
    for name in (
        "g002.partial-train.safetensors",
        "g002.partial-train.safetensors.1.partial",
        "g003.partial-train.safetensors",
    ):
        (tmp_path / name).touch()
    remove(tmp_path / "g002.partial")
    assert [path.name for path in tmp_path.iterdir()] == ["g003.partial-train.safetensors"]


def test_what_a_kill_leaves_in_a_chains_folder_is_cleared_where_nobody_works_on_it_but_no_checkpoint(tmp_path):
    def halves() -> set[str]:
        half, file = tmp_path / "g002.partial", tmp_path / "failure.txt.7.partial"
        half.mkdir()
        (half / "losses.json").touch()
        file.touch()
        return {half.name, file.name}

    kept = {"g001", "g002.partial-train.safetensors", "owner.pid"}
    (tmp_path / "g001").mkdir()
    (tmp_path / "g002.partial-train.safetensors").touch()
    halves()
    with cleared(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == kept
        made = halves()
    assert {path.name for path in tmp_path.iterdir()} == kept
    halves()
    with owned(tmp_path), cleared(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == kept | made


def test_what_fails_leaves_no_half_behind_and_the_former_files(tmp_path):
    folder = tmp_path / "g001"
    with staged(folder) as work:
        (work / "metrics.json").write_text("former")

    def stopped() -> None:
        with staged(folder) as work:
            (work / "metrics.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [path.name for path in tmp_path.iterdir()] == ["g001"]
    assert (folder / "metrics.json").read_text() == "former"


class Evil:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def objects(path: Path) -> None:
    np.save(path.open("wb"), np.array([Evil()]), allow_pickle=True)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def torch_saved(path: Path) -> None:
    torch.save({"weight": Evil()}, path)


def empty(path: Path) -> None:
    path.touch()


def cut(path: Path) -> None:
    np.save(path.open("wb"), np.zeros((100, 2)))
    path.write_bytes(path.read_bytes()[:500])


def odd_header(path: Path) -> None:
    cut(path)
    path.write_bytes(path.read_bytes().replace(b"{'descr'", b"(['descr'"))


READERS = {"array": read_array, "weights": lambda path: load_weights(path, nn.Linear(2, 2)), "json": read_json}


@pytest.mark.parametrize("write", [objects, pickled, torch_saved, empty, cut, odd_header])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_damaged_file_and_one_with_code_are_refused_and_run_nothing(tmp_path, monkeypatch, write, read):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file")
    with pytest.raises(RunFailed, match="is no valid") as raised:
        read(tmp_path / "file")
    assert "\n" not in str(raised.value)
    assert not Path("ran").exists()


@pytest.mark.parametrize("write", [pickled, torch_saved, empty, cut])
def test_a_checkpoint_that_is_damaged_or_has_code_is_not_taken_up_and_runs_nothing(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file")
    assert FileCheckpoint(tmp_path / "file", b"a training").load() is None
    assert not Path("ran").exists()


def test_weights_of_another_network_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file(nn.Linear(3, 3).state_dict(), tmp_path / "file")
    with pytest.raises(RunFailed, match="is no valid weights file"):
        load_weights(tmp_path / "file", nn.Linear(2, 2))


def test_a_folder_has_one_owner_and_is_free_when_it_is_done(tmp_path):
    with owned(tmp_path), pytest.raises(RunFailed, match="is being worked on by process"), owned(tmp_path):
        pass
    with owned(tmp_path):
        pass

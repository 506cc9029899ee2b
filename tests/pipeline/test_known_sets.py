"""CIFAR-10 and IDX files in each of their published forms, made small by the tests."""

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from pipeline.datasets import cifar10, idx
from pipeline.experiment.errors import BadInput

OF_A_BATCH = 4


def cifar_parts(seed=0):
    """Batches of (uint8 [N, 3072], labels [N]), the last one for testing."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 256, (OF_A_BATCH, 3072), np.uint8), rng.integers(0, 10, OF_A_BATCH)) for _ in range(6)]


def pickled(data, labels, protocol=2, text=bytes):
    key = (lambda name: name.encode()) if text is bytes else str
    return pickle.dumps({key("batch_label"): b"", key("labels"): [int(label) for label in labels], key("data"): data}, protocol)


def files_of(parts, form):
    """The content of each batch by its name."""
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    if form == "binary":
        rows = (np.concatenate([labels[:, None].astype(np.uint8), data], 1).tobytes() for data, labels in parts)
        return {f"{name}.bin": row for name, row in zip(names, rows, strict=True)}
    return {name: pickled(*part) for name, part in zip(names, parts, strict=True)}


def unpacked(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def tarred(path, files, within):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{within}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def read_cifar(root, n_real=20, held_out=0, **more):
    return cifar10.cifar10(cifar10.Settings(root=None if root is None else str(root), n_real=n_real, **more), held_out)


FOLDERS = {"python": "cifar-10-batches-py", "binary": "cifar-10-batches-bin"}


def is_whole(source, parts):
    """Whether the set is that of the parts: every training image with its label, and the test images in their order."""
    values, labels = np.asarray(source.training.values), source.training.labels
    given = {data.tobytes(): int(label) for batch, classes in parts[:5] for data, label in zip(batch, classes, strict=True)}
    assert {image.tobytes(): int(label) for image, label in zip(values, labels, strict=True)} == given
    assert np.array_equal(np.asarray(source.reference.values).reshape(-1, 3072), parts[5][0])
    assert np.array_equal(source.reference.labels, parts[5][1])
    return values.shape == (20, 3, 32, 32)


@pytest.mark.parametrize("form", ["python", "binary"])
def test_cifar10_is_the_same_unpacked_within_a_folder_in_a_tar_gz_and_in_a_folder_with_that(tmp_path, form):
    parts = cifar_parts()
    files = files_of(parts, form)
    unpacked(tmp_path / "flat", files)
    unpacked(tmp_path / "outer" / FOLDERS[form], files)
    tarred(tmp_path / "set.tar.gz", files, FOLDERS[form])
    (tmp_path / "fetched").mkdir()
    tarred(tmp_path / "fetched" / f"cifar-10-{form}.tar.gz", files, FOLDERS[form])
    for root in ("flat", "outer", "set.tar.gz", "fetched"):
        root = tmp_path / root
        assert is_whole(read_cifar(root), parts)


@pytest.mark.parametrize("text", [bytes, str])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_cifar10_pickled_by_todays_numpy_is_read_without_running_anything(tmp_path, protocol, text):
    parts = cifar_parts()
    files = {name: pickled(*part, protocol, text) for name, part in zip(files_of(parts, "python"), parts, strict=True)}
    assert is_whole(read_cifar(unpacked(tmp_path / "set", files)), parts)


def test_cifar10_as_published_names_numpys_old_place_and_has_latin_text(tmp_path):
    parts = cifar_parts()
    files = files_of(parts, "python")
    assert b"numpy._core.multiarray" in files["test_batch"]
    assert b"_codecs" in files["test_batch"]
    old = {name: content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") for name, content in files.items()}
    assert is_whole(read_cifar(unpacked(tmp_path / "set", old)), parts)


def test_cifar10_without_a_root_is_found_in_the_folder_that_the_environment_names(tmp_path, monkeypatch):
    parts = cifar_parts()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELF_CONSUMING_DATA", str(tmp_path / "home"))
    for name in ("cifar-10-binary.tar.gz", "cifar-10-batches-py"):
        with pytest.raises(BadInput, match=r"data\.root: there is no cifar-10-batches-py or .*cifar-10-python\.tar\.gz"):
            read_cifar(None)
        if name.endswith("gz"):
            tarred(tmp_path / "home" / name, files_of(parts, "binary"), "cifar-10-batches-bin")
        else:
            unpacked(tmp_path / "home" / name, files_of(parts, "python"))
        assert is_whole(read_cifar(None), parts)
        (tmp_path / "home" / name).rename(tmp_path / f"away-{name}")


def test_cifar10_in_grey_at_half_its_size_of_two_classes(tmp_path):
    parts = [(data, np.arange(4) % 4) for data, _ in cifar_parts()]
    root = unpacked(tmp_path / "set", files_of(parts, "binary"))
    source = read_cifar(root, 8, classes=[2, 0], size=16, channels="grey", held_out=2)
    assert source.training.values.shape == (8, 1, 16, 16)
    assert sorted(source.training.labels.tolist()) == [0] * 4 + [1] * 4
    assert [len(source.selection), len(source.reference)] == [2, 2] or len(source.reference) == 2


def idx_files(folder, gz, n=12, n_test=6, shape=(6, 5), dot=False):
    """MNIST's four files; what is in them."""
    rng, made = np.random.default_rng(0), []
    folder.mkdir(parents=True)
    for prefix, count in (("train", n), ("t10k", n_test)):
        images, labels = rng.integers(0, 256, (count, *shape), np.uint8), (np.arange(count) % 10).astype(np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            raw = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
            name = f"{prefix}-{kind.replace('-idx', '.idx') if dot else kind}-ubyte"
            (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(raw) if gz else raw)
        made.append((images, labels))
    return made


def read_idx(root, n_real=12, held_out=0, **more):
    return idx.idx(idx.Settings(root=str(root), n_real=n_real, **more), held_out)


@pytest.mark.parametrize(("gz", "dot"), [(True, False), (False, False), (False, True)])
def test_idx_files_are_the_same_gzipped_plain_and_with_a_dot_in_their_names(tmp_path, gz, dot):
    (images, labels), (test, of_test) = idx_files(tmp_path / "set", gz, dot=dot)
    source = read_idx(tmp_path / "set")
    given = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    found = zip(np.asarray(source.training.values), source.training.labels, strict=True)
    assert {image.tobytes(): label for image, label in found} == given
    assert np.array_equal(np.asarray(source.reference.values)[:, 0], test)
    assert np.array_equal(source.reference.labels, of_test)
    assert len(source.selection) == 0


def test_idx_holds_out_of_training_what_is_left_and_of_the_test_images_where_nothing_is(tmp_path):
    idx_files(tmp_path / "set", True)
    for n_real, parts in ((8, [8, 4, 6]), (12, [12, 4, 2])):
        source = read_idx(tmp_path / "set", n_real, 4)
        assert [len(part) for part in (source.training, source.selection, source.reference)] == parts

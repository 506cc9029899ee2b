"""Where images and their labels lie: links, folders above others, checksums, and what a set depends on."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from test_datasets import encoded, in_folder, pictures, read, whole
from test_known_sets import cifar_parts, files_of, read_cifar, tarred, unpacked
from test_refused_images import refused

from pipeline.classifier.networks import Network
from pipeline.datasets.images import Settings
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load
from pipeline.generation.compute import fresh_denoiser

ROOT = Path(__file__).resolve().parents[2]


def test_links_that_lead_nowhere_are_refused_and_those_to_folders_within_are_not_followed(tmp_path):
    root = in_folder(tmp_path / "set", pictures(12), ["a", "b"])
    (root / "d.png").symlink_to("a")
    assert len(read(root).reference) == 4
    (root / "gone.png").symlink_to("nowhere.png")
    refused(r"data: gone\.png in .*set cannot be read", root, 10)
    (root / "gone.png").unlink()
    (root / "circle.png").symlink_to("circle.png")
    refused(r"data: circle\.png in .*set cannot be read", root)
    (root / "circle.png").unlink()
    (tmp_path / "outside.png").write_bytes(encoded(pictures(1)[0]))
    (root / "a\\b.png").symlink_to("../outside.png")
    refused(r"leaves .*set: its files must lie within", root)


def test_a_folder_that_holds_the_project_and_one_that_dvc_would_misread_are_refused(tmp_path, monkeypatch):
    in_folder(tmp_path / "${set}", pictures(12))
    monkeypatch.chdir(tmp_path)
    refused(r"data\.root: '\.' is not allowed: it holds the project", ".")
    refused(r"is not allowed: DVC takes \$\{ for the name of a variable", "${set}")
    refused(r"data\.root: there is no x{5000}", "x" * 5000)


def test_classes_of_test_images_have_the_numbers_of_those_to_train_on(tmp_path):
    root = in_folder(tmp_path / "set", pictures(12), ["a", "b", "c"])
    test = in_folder(tmp_path / "test", pictures(4), ["c", "b"])
    assert read(root, test=str(test), labels=True).reference.labels.tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("above", ["top", "top/set"])
def test_folders_that_hold_everything_are_no_class(tmp_path, above):
    in_folder(tmp_path / above, pictures(12), ["x", "y"])
    values, labels = whole(read(tmp_path, labels=True))
    assert np.array_equal(values, pictures(12))
    assert labels.tolist() == [0, 1] * 6


def test_one_class_alone_stays_one(tmp_path):
    in_folder(tmp_path, pictures(12), ["x"])
    assert whole(read(tmp_path, labels=True))[1].tolist() == [0] * 12


def test_labels_beside_an_array_are_files_that_a_set_depends_on(tmp_path):
    np.save(tmp_path / "set.npy", pictures(12))
    settings = Settings(root=str(tmp_path / "set.npy"), n_real=8, labels=True)
    assert settings.files == [str(tmp_path / "set.npy")]
    np.save(tmp_path / "set-labels.npy", np.arange(12))
    assert settings.files == [str(tmp_path / "set.npy"), str(tmp_path / "set-labels.npy")]


def test_a_tar_with_one_wrong_bit_is_refused(tmp_path):
    path = tarred(tmp_path / "set.tar.gz", files_of(cifar_parts(), "binary"), "cifar-10-batches-bin")
    with path.open("rb") as file:
        raw = bytearray(gzip.decompress(file.read()))
    stored = bytearray(gzip.compress(bytes(raw), compresslevel=0))
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)
    refused("set.tar.gz is no readable tar.gz", path, 20, by=read_cifar)


@pytest.mark.parametrize("name", ["/data_batch_1.bin", "../data_batch_1.bin", "a/../../data_batch_1.bin"])
def test_a_tar_with_paths_that_leave_it_is_refused_and_so_are_links(tmp_path, name):
    files = files_of(cifar_parts(), "binary")
    path = tarred(tmp_path / "set.tar", files, "cifar-10-batches-bin")
    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE):
        with tarfile.open(path, "w") as archive:
            entry = tarfile.TarInfo(name if kind == tarfile.REGTYPE else "data_batch_1.bin")
            entry.type, entry.size, entry.linkname = kind, 3 if kind == tarfile.REGTYPE else 0, "elsewhere"
            archive.addfile(entry, io.BytesIO(b"abc"))
        refused("in .*set.tar is a link, or leaves it", path, 20, by=read_cifar)


def test_batches_that_are_links_to_outside_are_refused(tmp_path):
    root = unpacked(tmp_path / "cifar", files_of(cifar_parts(), "binary"))
    (root / "test_batch.bin").rename(tmp_path / "test_batch.bin")
    (root / "test_batch.bin").symlink_to("../test_batch.bin")
    refused("test_batch.bin leaves .*cifar", root, 20, by=read_cifar)


def test_images_that_are_no_squares_have_a_small_classifier_and_a_network_that_does_not_fit_is_bad_input():
    assert Network(1, [8, 10], 3).features(torch.zeros(2, 1, 8, 10)).shape == (2, 64)
    params = load(ROOT / "presets/fashion.yaml")
    with pytest.raises(BadInput, match="images of 13 x 13 cannot be halved 1 times"):
        fresh_denoiser(params, (1, 13, 13), 0)

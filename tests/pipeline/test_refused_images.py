"""What is refused of images from files: one line each, which says what and where."""

import gzip
import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from test_datasets import GREY, encoded, in_folder, in_zip, pictures, read
from test_known_sets import cifar_parts, files_of, idx_files, pickled, read_cifar, read_idx, tarred, unpacked

from pipeline.datasets.images import Settings
from pipeline.experiment.errors import BadInput


def refused(wanted, root, *args, by=read, **more):
    """Assert that a set is refused in one line, when it is opened or when its images are read, for a reason."""

    def looked_at():
        source = by(root, *args, **more)
        for part in (source.training, source.selection, source.reference):
            np.asarray(part.values)

    with pytest.raises(BadInput) as caught:
        looked_at()
    said = str(caught.value)
    assert re.search(wanted, said), said
    assert "\n" not in said


def test_missing_files_are_named_with_what_to_fetch_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SELF_CONSUMING_DATA", str(tmp_path / "home"))
    where = r"root or SELF_CONSUMING_DATA says where it lies"
    refused(rf"data\.root: there is no none or {tmp_path}/home/none: a folder or zip of images.*{where}", "none")
    np.save(tmp_path / "set.npy", pictures(12))
    refused(r"data\.test: there is no .*/none", tmp_path / "set.npy", test=str(tmp_path / "none"))
    refused(rf"there is no .*cifar-10-python\.tar\.gz.*cs\.toronto\.edu.*{where}", tmp_path / "none", by=read_cifar)
    refused(rf"there is no .*train-images-idx3-ubyte\.gz.*dataset-fashion-mnist.*{where}", tmp_path / "none", by=read_idx)
    (tmp_path / "empty").mkdir()
    refused(r"empty holds no images \(\.bmp, .*\.webp\)", tmp_path / "empty")
    refused(r"empty holds no data_batch_1 and test_batch: CIFAR-10's python version", tmp_path / "empty", by=read_cifar)
    refused(r"empty has no train-images-idx3-ubyte\.gz: .*dataset-fashion-mnist", tmp_path / "empty", by=read_idx)
    unpacked(tmp_path / "part", files_of(cifar_parts(), "python"))
    (tmp_path / "part" / "data_batch_4").unlink()
    refused(r"part has no data_batch_4: CIFAR-10's", tmp_path / "part", by=read_cifar)


@pytest.mark.parametrize("place", [0, 7])
def test_a_damaged_image_is_named(tmp_path, place):
    for ending in ("png", "jpg"):
        root = in_folder(tmp_path / ending, pictures(12, (3, 32, 32)), ending=ending)
        path = root / f"{place:05d}.{ending}"
        path.write_bytes(path.read_bytes()[:-300])
        refused(rf"data: {path.name} is no readable image: .*truncated", root)
        path.write_bytes(b"")
        refused(rf"data: {path.name} is no readable image", root)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_is_named(tmp_path, compression):
    path = in_zip(tmp_path / "set.zip", pictures(12, (3, 32, 32)), None, compression)
    raw = bytearray(path.read_bytes())
    raw[1500:1520] = bytes(20)
    path.write_bytes(raw)
    refused(r"data: .*img00000000\.png.* (cannot be read|is no readable image): ", path)
    path.write_bytes(raw[:-30])
    refused(r"set\.zip is no readable zip: ", path)


def test_damaged_arrays_are_named(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", pictures(12))
    raw = bytearray((tmp_path / "set.npz").read_bytes())
    raw[300:340] = bytes(40)
    for content in (bytes(raw), bytes(raw[:-40]), b"", b"none"):
        (tmp_path / "set.npz").write_bytes(content)
        refused(r"set\.npz is no readable \.npz: ", tmp_path / "set.npz")
    np.save(tmp_path / "set.npy", pictures(12))
    for content in ((tmp_path / "set.npy").read_bytes()[:-9], b"none"):
        (tmp_path / "set.npy").write_bytes(content)
        refused(r"data: .*set\.npy is no valid array file: ", tmp_path / "set.npy")


def test_arrays_of_another_kind_are_refused(tmp_path):
    for values, said in (
        (pictures(12).astype(np.float32), r"float32 \[12, 3, 8, 8\]: uint8 \[N, H, W\], \[N, H, W, C\] or \[N, C, H, W\]"),
        (pictures(12)[:, 0, 0], r"uint8 \[12, 8\]"),
        (pictures(12)[:0], r"uint8 \[0, 3, 8, 8\]"),
        (np.zeros((12, 4, 8, 8), np.uint8), r"\[12, 4, 8, 8\]: images have 1 or 3 channels"),
    ):
        np.save(tmp_path / "set.npy", values)
        np.savez(tmp_path / "set.npz", images=values)
        for name in ("set.npy", "set.npz"):
            refused(said, tmp_path / name)
    np.savez(tmp_path / "set.npz", other=pictures(12))
    refused(r"set\.npz has other but none of images, arr_0, x, data", tmp_path / "set.npz")
    np.save(tmp_path / "set.npy", np.array([print, len]), allow_pickle=True)
    refused(r"set\.npy is no valid array file", tmp_path / "set.npy")
    np.savez(tmp_path / "set.npz", images=np.array([print, len]))
    refused(r"set\.npz is no readable \.npz", tmp_path / "set.npz")


def test_truncated_gzip_and_idx_files_are_named(tmp_path):
    root = tmp_path / "set"
    idx_files(root, True)
    path = root / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    refused(r"train-images-idx3-ubyte\.gz is no readable gzip file: ", root, by=read_idx)
    plain = gzip.decompress(whole)
    for raw, said in (
        (plain[:-1], r"train-images-idx3-ubyte\.gz has 359 values instead of 12 x 6 x 5"),
        (plain + b"1", r"has 361 values instead of"),
        (plain[:10], r"is no IDX file of 3 dimensions of uint8"),
        (bytes([0, 0, 13, 3]) + plain[4:], r"is no IDX file of 3 dimensions of uint8"),
    ):
        path.write_bytes(gzip.compress(raw))
        refused(said, root, by=read_idx)
    path.write_bytes(gzip.compress(plain[:4] + np.array([11, 6, 5], ">u4").tobytes() + plain[16:-30]))
    refused(r"images-idx3-ubyte\.gz has 11 images, .*labels-idx1-ubyte\.gz 12 labels", root, by=read_idx)


def test_mixed_sizes_and_channels_are_refused_with_what_makes_them_alike(tmp_path):
    root = in_folder(tmp_path / "set", pictures(12))
    (root / "wide.png").write_bytes(encoded(pictures(1, (3, 8, 9))[0]))
    refused(r"data: wide\.png is 9 x 8, 00000\.png is 8 x 8: size \(and crop\) makes them alike", root, 11)
    refused(r"data: wide\.png is 9 x 8 and no square: crop: true cuts out its centre", root, 11, size=8)
    (root / "wide.png").write_bytes(encoded(pictures(1, GREY)[0]))
    refused(r"data: wide\.png is grey, 00000\.png is RGB: channels: grey or rgb makes them alike", root, 11)
    (root / "wide.png").write_bytes(encoded(np.zeros((1, 8, 8), np.uint16)))
    refused(r"data: wide\.png has pixels of kind I;16: convert it to 8 bits of grey or RGB first", root, 11)


def test_test_images_of_another_shape_are_refused(tmp_path):
    np.save(tmp_path / "set.npy", pictures(12))
    np.save(tmp_path / "test.npy", pictures(12, GREY))
    refused(
        r"data\.test: images are \[1, 8, 8\], those of root \[3, 8, 8\]", tmp_path / "set.npy", test=str(tmp_path / "test.npy")
    )


def test_labels_that_are_asked_for_must_be_there(tmp_path):
    flat, half = in_folder(tmp_path / "flat", pictures(12)), in_folder(tmp_path / "half", pictures(12), ["a", "."])
    zipped = in_zip(tmp_path / "set.zip", pictures(12))
    for root in (flat, half, zipped):
        refused(rf"data\.labels: true is not allowed: {root} has no labels \(class folders, a dataset\.json", root, labels=True)
        refused(rf"data\.classes: \[1\] is not allowed: {root} has no labels", root, classes=[1])
    labelled = in_folder(tmp_path / "labelled", pictures(12), ["a", "b"])
    refused(rf"data\.labels: true is not allowed: {flat} has no labels", labelled, labels=True, test=str(flat))
    refused(r"data\.classes: 7 is not allowed: .*labelled has none of it", labelled, classes=[0, 7])


def test_label_lists_that_do_not_fit_are_refused(tmp_path):
    path = in_folder(tmp_path / "set", pictures(12)) / "dataset.json"
    names = [f"{place:05d}.png" for place in range(12)]
    for labels, said in (
        ([[name, 0] for name in names[:-1]], r"dataset\.json in .* has no label for 00011\.png"),
        ([[name, -1] for name in names], r"label -1 of 00000\.png is no class number"),
        ([[name, True] for name in names], r"label True of 00000\.png is no class number"),
        ([[name, [0.5, 0.5]] for name in names], r"label \[0\.5, 0\.5\] of 00000\.png is no class number"),
        ([*([name, 0] for name in names), ["../x.png", 0]], r"\.\./x\.png leaves .*set: its files must lie within"),
        ([[name, 10**12] for name in names], r"label 1000000000000 of 00000\.png is no class number, from 0 to 99999"),
        ([names], r"dataset\.json in .* is not as it should be: "),
        (5, r"dataset\.json in .* is not as it should be: "),
    ):
        path.write_text(json.dumps({"labels": labels}))
        refused(said, path.parent, labels=True)
    for content in (b"{", b"[]", b"\xff", b"[" * 100000):
        path.write_bytes(content)
        refused(r"dataset\.json in .* is not as it should be: ", path.parent, labels=True)
    np.save(tmp_path / "set.npy", pictures(12))
    for given, said in (
        (np.arange(11), r"set\.npy has 12 images and 11 labels"),
        (np.arange(12) - 1, r"the labels in .*set-labels\.npy are from -1 to 10: class numbers are from 0 to 99999"),
        (np.arange(12) + 2**40, r"the labels in .*set-labels\.npy are from 1099511627776 to 1099511627787: class numbers"),
        (np.arange(12) / 2, r"are float64 \[12\]: whole numbers"),
        (np.eye(12, dtype=np.int64), r"are int64 \[12, 12\]: whole numbers"),
    ):
        np.save(tmp_path / "set-labels.npy", given)
        refused(said, tmp_path / "set.npy", labels=True)
        np.savez(tmp_path / "set.npz", images=pictures(12), labels=given)
        refused(said.replace(r"\.npy", r"\.npz").replace("-labels", ""), tmp_path / "set.npz", labels=True)


def test_labels_that_nobody_asks_for_are_not_looked_at(tmp_path):
    path = in_folder(tmp_path / "set", pictures(12)) / "dataset.json"
    path.write_text("{")
    assert read(path.parent).training.labels is None


def test_classes_of_test_images_that_there_are_none_of_to_train_on_are_refused(tmp_path):
    root = in_folder(tmp_path / "set", pictures(12), ["a", "b"])
    test = in_folder(tmp_path / "test", pictures(12), ["b", "c"])
    refused("test has a folder c, and so a class, that there is none of to train on", root, test=str(test), labels=True)
    np.save(tmp_path / "test.npy", pictures(12))
    np.save(tmp_path / "test-labels.npy", np.arange(12) % 3)
    refused("test images have class 2, which there is none of", root, test=str(tmp_path / "test.npy"), labels=True)


def test_fewer_images_than_asked_for_are_refused(tmp_path):
    root = in_zip(tmp_path / "set.zip", pictures(12), range(12))
    refused(r"data\.n_real: 11 is not allowed: .*set\.zip has 12 images, and some must be left to report by", root, 11)
    refused(r"data\.n_real: 8 is not allowed beside 3 held out: .*has 12 images", root, 8, 3)
    refused(r"data\.n_real: 4 is not allowed: .*has 3 images", root, 4, classes=[1, 2, 3])
    test = str(in_zip(tmp_path / "test.zip", pictures(6)))
    refused(r"data\.n_real: 13 is not allowed: .*set\.zip has 12 training images", root, 13, test=test)
    refused(r"evaluation\.selection: 5 is not allowed: .* has 6 test images", root, 12, 5, test=test)
    refused(
        r"data\.n_real: 21 is not allowed", unpacked(tmp_path / "cifar", files_of(cifar_parts(), "binary")), 21, by=read_cifar
    )


class Calls:
    """Pickled, it calls what it is given."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def test_a_pickle_that_names_something_else_is_refused_and_not_run(tmp_path):
    ran = tmp_path / "ran"
    for value, named in (
        (Calls(os.system, (f"touch {ran}",)), r"(posix|nt)\.system"),
        (Calls(Path.touch, (ran,)), r"pathlib\.\S+|\S*\.getattr"),
        (Calls(eval, (f"open({str(ran)!r}, 'w')",)), r"\S+\.eval"),
        (Calls(bytearray, (5,)), r"\S+\.bytearray"),
    ):
        for protocol in (0, 2, 5):
            files = files_of(cifar_parts(), "python") | {
                "data_batch_3": pickle.dumps({b"data": value, b"labels": [0]}, protocol)
            }
            root = tarred(tmp_path / "set.tar.gz", files, "cifar-10-batches-py")
            refused(
                rf"data_batch_3 is no batch of CIFAR-10: it names {named}, which a data set has no need of", root, by=read_cifar
            )
    assert not ran.exists()


def test_batches_that_are_none_are_refused(tmp_path):
    data, labels = cifar_parts()[0]
    for content, said in (
        (pickled(data[:, :-1], labels), r"its data are not uint8 \[N, 3072\]"),
        (pickled(data.astype(float), labels), r"its data are not uint8"),
        (pickled(data[:0], []), r"its labels are no classes from 0 to 9"),
        (pickled(data, labels[:-1]), r"its labels are no classes from 0 to 9"),
        (pickled(data, labels + 10), r"its labels are no classes from 0 to 9"),
        (pickle.dumps({b"data": data, b"labels": [1, [2, 3], 4, 5]}), "inhomogeneous"),
        (pickle.dumps([1]), "has no attribute"),
        (pickled(data, labels)[:-50], "truncated|ran out"),
        (b"", "."),
    ):
        unpacked(tmp_path / "set", files_of(cifar_parts(), "python") | {"test_batch": content})
        refused(rf"data: test_batch is no batch of CIFAR-10: .*({said})", tmp_path / "set", by=read_cifar)
    unpacked(tmp_path / "rows", files_of(cifar_parts(), "binary") | {"data_batch_2.bin": bytes(3072)})
    refused(r"data_batch_2\.bin is no batch of CIFAR-10: 3072 bytes are no multiple of 3073", tmp_path / "rows", by=read_cifar)
    path = tarred(tmp_path / "set.tar.gz", files_of(cifar_parts(), "python"), "x")
    for content in (path.read_bytes()[:-5000], b"none"):
        path.write_bytes(content)
        refused(r"data\.root: .*set\.tar\.gz is no readable tar\.gz: ", path, by=read_cifar)


def test_paths_that_leave_the_zip_or_the_folder_are_refused(tmp_path):
    (tmp_path / "outside.png").write_bytes(encoded(pictures(1)[0]))
    for name in ("../outside.png", "a/../../outside.png", "/outside.png", "..\\outside.png"):
        with zipfile.ZipFile(in_zip(tmp_path / "set.zip", pictures(12)), "a") as archive:
            archive.writestr(name, b"")
        refused(rf"data: {re.escape(name)} leaves .*set\.zip: its files must lie within", tmp_path / "set.zip")
    root = in_folder(tmp_path / "set", pictures(12))
    (root / "within.png").symlink_to("00000.png")
    assert len(read(root).reference) == 5
    (root / "out.png").symlink_to("../outside.png")
    refused(r"data: out\.png leaves .*set: its files must lie within", root)
    (root / "out.png").unlink()
    (root / "out").symlink_to(tmp_path)
    refused(r"data: out leaves .*set: its files must lie within", root)


def test_settings_that_do_not_fit_together_are_refused():
    for more, said in (
        ({"crop": True}, "crop true is not allowed without size"),
        ({"classes": [1, 1]}, "classes must differ from each other"),
        ({"classes": []}, "at least 1 item"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"channels": "cmyk"}, "'grey' or 'rgb'"),
        ({"n_real": 1}, "greater than or equal to 2"),
        ({"colour": "rgb"}, "not permitted"),
    ):
        with pytest.raises(ValidationError, match=said):
            Settings(**({"root": "set", "n_real": 8} | more))

"""Images of the user's own: every form of files gives the pixels, the labels and the split that params.yaml asks for."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from pipeline.data.finite import Finite
from pipeline.datasets.images import Settings, images

GREY, RGB = (1, 8, 8), (3, 8, 8)


def pictures(n, shape=RGB, seed=0):
    """uint8 [n, C, H, W], each with its number in its first pixel."""
    made = np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)
    made[:, 0, 0, 0] = np.arange(n)
    return made


def encoded(image, kind="png"):
    """A file's bytes of an image [C, H, W]."""
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, kind)
    return buffer.getvalue()


def in_folder(folder, values, classes=None, ending="png"):
    """A folder of images, in class folders where there are classes."""
    for place, image in enumerate(values):
        path = folder / (classes[place % len(classes)] if classes else ".") / f"{place:05d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image, "jpeg" if ending in ("jpg", "jpeg") else "png"))
    return folder


def in_zip(path, values, labels=None, compression=zipfile.ZIP_STORED):
    """A zip as EDM's dataset tool writes it."""
    names = [f"{place // 4:05d}/img{place:08d}.png" for place in range(len(values))]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, image in zip(names, values, strict=True):
            archive.writestr(name, encoded(image))
        listed = None if labels is None else [[name, int(label)] for name, label in zip(names, labels, strict=True)]
        archive.writestr("dataset.json", json.dumps({"labels": listed}))
    return path


def read(root, n_real=8, held_out=0, **more) -> Finite:
    return images(Settings(root=str(root), n_real=n_real, **more), held_out)


def whole(source):
    """All images of a set without test images of its own, in the order in which they were numbered, and their labels."""
    parts = [source.training, source.selection, source.reference]
    values = np.concatenate([np.asarray(part.values) for part in parts])
    order = np.argsort(values[:, 0, 0, 0], kind="stable")
    labels = None if source.training.labels is None else np.concatenate([part.labels for part in parts])[order]
    return values[order], labels


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_a_folder_of_class_folders_gives_its_pixels_and_the_folders_places_as_labels(tmp_path, shape):
    made = pictures(12, shape)
    source = read(in_folder(tmp_path / "set", made, ["dress", "bag", "coat"]), labels=True)
    values, labels = whole(source)
    assert np.array_equal(values, made)
    assert labels.tolist() == [2, 0, 1] * 4
    assert (len(source.training), len(source.selection), len(source.reference)) == (8, 0, 4)


def test_a_folders_dataset_json_is_preferred_to_its_class_folders(tmp_path):
    root = in_folder(tmp_path / "set", pictures(12), ["a", "b"])
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    wanted = {name: int(name[-5]) % 3 for name in names}
    for form in ([[name, label] for name, label in wanted.items()], wanted):
        (root / "dataset.json").write_text(json.dumps({"labels": form}))
        assert whole(read(root, labels=True))[1].tolist() == [place % 10 % 3 for place in range(12)]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_edm_zip_gives_its_pixels_and_the_labels_of_its_dataset_json(tmp_path, compression):
    made, given = pictures(12), np.arange(12) * 7 % 5
    values, labels = whole(read(in_zip(tmp_path / "set.zip", made, given, compression), labels=True))
    assert np.array_equal(values, made)
    assert np.array_equal(labels, given)


def test_an_edm_zip_whose_labels_are_null_has_none_whatever_its_folders_are(tmp_path):
    assert whole(read(in_zip(tmp_path / "set.zip", pictures(12))))[1] is None


def test_jpegs_are_read_as_pillow_decodes_them(tmp_path):
    made = np.full((12, 3, 16, 16), 90, np.uint8)
    made[:, :, 4:12] = np.linspace(0, 240, 12, dtype=np.uint8)[:, None, None, None]
    for ending in ("jpg", "JPEG"):
        root = in_folder(tmp_path / ending, made, ending=ending.lower())
        values, labels = whole(read(root))
        assert labels is None
        expected = {np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes() for path in root.iterdir()}
        assert {image.tobytes() for image in values} == expected


def test_what_systems_leave_beside_images_is_no_image(tmp_path):
    root, made = in_folder(tmp_path / "set", pictures(12), ["a", "b"]), pictures(12)
    for name in (".DS_Store", ".thumbnails/00000.png", "a/._00000.png", "__MACOSX/a.png", "notes.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no image")
    assert np.array_equal(whole(read(root, labels=True))[0], made)
    with zipfile.ZipFile(in_zip(tmp_path / "set.zip", made, range(12)), "a") as archive:
        archive.writestr("__MACOSX/00000/._img00000000.png", b"no image")
    assert np.array_equal(whole(read(tmp_path / "set.zip", labels=True))[0], made)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW"])
def test_arrays_in_every_layout_give_the_same_images(tmp_path, layout, compressed):
    made, given = pictures(12, GREY if layout == "NHW" else RGB), np.arange(12) % 4
    stored = {"NCHW": made, "NHWC": made.transpose(0, 2, 3, 1), "NHW": made[:, 0]}[layout]
    np.save(tmp_path / "set.npy", stored)
    np.save(tmp_path / "set-labels.npy", given)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "set.npz", images=stored, labels=given[:, None])
    for name in ("set.npy", "set.npz"):
        values, labels = whole(read(tmp_path / name, labels=True))
        assert np.array_equal(values, made)
        assert np.array_equal(labels, given)


def test_an_npz_in_fortran_order_and_with_numpys_usual_name_is_read_as_well(tmp_path):
    made = pictures(12)
    np.savez(tmp_path / "set.npz", np.asfortranarray(made))
    values, labels = whole(read(tmp_path / "set.npz"))
    assert labels is None
    assert np.array_equal(values, made)


def test_size_halves_by_means_of_squares(tmp_path):
    made = pictures(12)
    in_folder(tmp_path / "set", made)
    np.save(tmp_path / "set.npy", made)
    means = made.reshape(12, 3, 4, 2, 4, 2).mean((3, 5))
    for root in ("set", "set.npy"):
        parts = read(tmp_path / root, size=4)
        values = np.concatenate([np.asarray(part.values) for part in (parts.training, parts.reference)])
        assert values.shape == (12, 3, 4, 4)
        distance = np.abs(values[:, None] - means[None]).max((2, 3, 4))
        assert sorted(distance.argmin(1)) == list(range(12))
        assert distance.min(1).max() <= 1  # Pillow rounds after each of the two directions


def test_size_makes_images_of_many_sizes_alike_and_crop_takes_the_centre(tmp_path):
    wide = np.zeros((12, 3, 8, 20), np.uint8)
    wide[:, :, :, 6:14] = 200
    root = in_folder(tmp_path / "set", wide)
    (root / "tall.png").write_bytes(encoded(wide[0].transpose(0, 2, 1)))
    (root / "large.png").write_bytes(encoded(np.full((3, 31, 31), 200, np.uint8)))
    source = read(root, size=8, crop=True)
    values = np.concatenate([np.asarray(part.values) for part in (source.training, source.reference)])
    assert values.shape == (14, 3, 8, 8)
    assert (values == 200).all()


def test_channels_makes_grey_and_rgb_images_alike(tmp_path):
    root = in_folder(tmp_path / "set", pictures(6, GREY))
    for place, image in enumerate(pictures(6, RGB)):
        (root / f"colour{place}.png").write_bytes(encoded(image))
    (root / "palette.gif").write_bytes(encoded(pictures(1, RGB)[0], "gif"))
    assert read(root, channels="rgb").training.values.shape == (8, 3, 8, 8)
    assert read(root, channels="grey").training.values.shape == (8, 1, 8, 8)
    grey = pictures(12, GREY)
    np.save(tmp_path / "grey.npy", grey)
    assert np.array_equal(whole(read(tmp_path / "grey.npy", channels="rgb"))[0], np.repeat(grey, 3, 1))


def test_classes_keeps_those_it_names_and_numbers_them_in_its_order(tmp_path):
    made, given = pictures(40), np.arange(40) % 4
    root = in_zip(tmp_path / "set.zip", made, given)
    values, labels = whole(read(root, labels=True, classes=[3, 1]))
    assert np.array_equal(values, made[(given == 1) | (given == 3)])
    assert labels.tolist() == [1, 0] * 10


def test_the_split_is_the_same_every_time_and_has_no_image_twice(tmp_path):
    root = in_zip(tmp_path / "set.zip", pictures(40), np.arange(40))
    source, again = (read(root, 20, 8, labels=True) for _ in range(2))
    parts = [getattr(source, name).labels for name in ("training", "selection", "reference")]
    assert [len(part) for part in parts] == [20, 8, 12]
    assert sorted(np.concatenate(parts).tolist()) == list(range(40))
    assert np.array_equal(again.training.labels, source.training.labels)
    assert np.array_equal(np.asarray(source.training.values)[:, 0, 0, 0], source.training.labels)


def test_test_images_are_reported_by_and_what_is_left_of_training_is_chosen_by(tmp_path):
    in_folder(tmp_path / "train", pictures(20), ["a", "b"])
    np.save(tmp_path / "test.npy", pictures(9, seed=1))
    np.save(tmp_path / "test-labels.npy", np.arange(9) % 2)
    source = read(tmp_path / "train", 12, 8, test=str(tmp_path / "test.npy"), labels=True)
    assert [len(part) for part in (source.training, source.selection, source.reference)] == [12, 8, 9]
    assert np.array_equal(np.asarray(source.reference.values), pictures(9, seed=1))
    source = read(tmp_path / "train", 20, 4, test=str(tmp_path / "test.npy"), labels=True)
    assert [len(part) for part in (source.training, source.selection, source.reference)] == [20, 4, 5]


def test_root_and_test_are_looked_for_in_the_folder_that_the_environment_names(tmp_path, monkeypatch):
    in_folder(tmp_path / "home" / "set", pictures(12))
    np.save(tmp_path / "home" / "test.npy", pictures(5))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELF_CONSUMING_DATA", str(tmp_path / "home"))
    settings = Settings(root="set", n_real=8, test="test.npy")
    assert settings.files == [str(tmp_path / "home" / name) for name in ("set", "test.npy")]
    assert len(images(settings).reference) == 5
    in_folder(tmp_path / "set", pictures(9))
    assert settings.files[0] == "set"


def test_what_is_chosen_by_has_all_classes_of_files_that_are_in_the_order_of_their_classes(tmp_path):
    in_zip(tmp_path / "train.zip", pictures(400), np.arange(400) // 40)
    in_zip(tmp_path / "test.zip", pictures(20, seed=1), np.arange(20) // 2)
    source = read(tmp_path / "train.zip", 200, 100, test=str(tmp_path / "test.zip"), labels=True)
    assert np.bincount(source.selection.labels, minlength=10).min() >= 4
    assert source.reference.labels.tolist() == sorted(source.reference.labels.tolist())

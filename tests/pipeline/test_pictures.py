"""A generation's picture."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.samples import Labelled
from pipeline.experiment.params import load
from pipeline.judging.pictures import GRID_COLUMNS, sample_picture

ROOT = Path(__file__).resolve().parents[2]


def picture(samples: Labelled) -> np.ndarray:
    """[height, width, 3] of samples of an experiment with images."""
    return np.asarray(Image.open(BytesIO(sample_picture(load(ROOT / "presets/digits.yaml"), samples))))


def test_images_are_in_rows_by_class_large_enough_to_be_seen_and_there_is_no_row_without_any() -> None:
    labels = np.arange(300) % 3
    values = np.full((300, 1, 8, 8), 50, np.uint8) * (1 + labels.astype(np.uint8))[:, None, None, None]
    shown = picture(Labelled(values, labels))
    assert shown.shape == (15 * 33, GRID_COLUMNS * 33, 3)  # five rows of each
    for row in range(15):
        assert (shown[row * 33 : row * 33 + 32, :32] == 50 * (1 + row // 5)).all()


def test_few_or_large_images_are_shown_as_they_are() -> None:
    values = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, 1).repeat(64, 2).repeat(64, 3)
    shown = picture(Labelled(values))
    assert shown.shape == (65, GRID_COLUMNS * 65, 3)
    assert [int(shown[0, column * 65, 0]) for column in range(5)] == [0, 1, 2, 3, 4]

"""A generation's picture as PNG bytes: a grid of images, or points over the truth's contours. Deterministic and fast."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled
from pipeline.data.stored import stored
from pipeline.data.truth import Points, Truth
from pipeline.experiment.params import Params

SIDE = 256
GRID_COLUMNS = 16
SHOWN = 32
"""Images are shown with at least about so many pixels a side."""
WHITE, POINT, CONTOUR = (255, 255, 255), (31, 119, 180), (220, 60, 50)
LINE = 96


def sample_picture(params: Params, samples: Labelled) -> bytes:
    """PNG of the first samples: images, 16 a row, or all points in the plane of their first two coordinates.

    Images that have labels are in rows by class; small ones are enlarged.
    """
    if of_images(samples.values):
        images = _in_rows(samples)[: GRID_COLUMNS**2]
        scale = max(1, SHOWN // images.shape[-1])
        pixels = image_grid(images.repeat(scale, 2).repeat(scale, 3), -(-len(images) // GRID_COLUMNS), GRID_COLUMNS)
    else:
        pixels = _scatter(stored(params), samples.values)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _in_rows(samples: Labelled) -> Array:
    """The images of the grid; with labels, as many rows of each class, in the classes' order."""
    if samples.labels is None:
        return samples.values
    classes = np.unique(samples.labels)
    rows, places = max(1, GRID_COLUMNS // len(classes)), list[NDArray[np.int64]]()
    for label in classes[:GRID_COLUMNS]:
        places.append(np.flatnonzero(samples.labels == label)[: rows * GRID_COLUMNS])
    blank = np.zeros((1, *samples.values.shape[1:]), samples.values.dtype)
    shown = [np.concatenate([samples.values[each], blank.repeat(-len(each) % GRID_COLUMNS, axis=0)]) for each in places]
    return np.concatenate(shown)


def of_images(samples: Array) -> bool:
    """Whether samples are images [N, C, H, W] rather than points [N, D]."""
    return samples.ndim == 4


def image_grid(images: Array, rows: int, columns: int) -> NDArray[np.uint8]:
    """The first rows x columns images [N, C, H, W], a grey line between them, as one picture [rows (H+1), columns (W+1), 3]."""
    _, channels, height, width = images.shape
    height, width = height + 1, width + 1
    cells = np.full((rows * columns, channels, height, width), LINE, np.uint8)
    shown = images[: rows * columns]
    cells[: len(shown), :, :-1, :-1] = shown
    tiled = cells.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    picture: NDArray[np.uint8] = tiled.reshape(rows * height, columns * width, channels)
    return picture if channels == 3 else np.repeat(picture[..., :1], 3, axis=2)


def window(truth: Truth) -> tuple[NDArray[np.float64], float]:
    """Centre [2] and half-width of the square that shows the truth and a good deal around it."""
    spread = np.sqrt(np.diag(truth.covariance)[:2].max())
    return truth.mean[:2], float(4.5 * spread) if len(truth.shares) == 1 else float(2.2 * spread)


def contours(truth: Truth) -> NDArray[np.float64]:
    """The two-standard-deviation ellipses of the modes, [K, 361, 2]."""
    angles = np.linspace(0, 2 * np.pi, 361)
    circle = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    factors = np.linalg.cholesky(truth.covariances[:, :2, :2])
    return np.einsum("kij,aj->kai", factors, circle) + truth.means[:, None, :2]


def _scatter(source: Points | Finite, samples: Array) -> NDArray[np.uint8]:
    """The points, and the truth's contours where it is known, else points of the reference."""
    picture = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    if isinstance(source, Points):
        (centre, half), drawn = window(source.truth), contours(source.truth).reshape(-1, 2)
    else:
        drawn = source.reference.values[:, :2].astype(np.float64)
        centre, half = drawn.mean(axis=0), float(4.5 * drawn.std(axis=0).max())
    for points, colour in ((samples[:, :2].astype(np.float64), POINT), (drawn, CONTOUR)):
        places = np.floor((points - centre + half) / (2 * half) * SIDE).astype(np.int64)
        places = places[((places >= 0) & (places < SIDE)).all(axis=1)]
        picture[SIDE - 1 - places[:, 1], places[:, 0]] = colour
    return picture

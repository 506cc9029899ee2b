"""The generations' pictures for the report's page: few enough and small enough to be embedded, of every arm's first seed."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.data import stored
from pipeline.data.arrays import read_samples
from pipeline.experiment.chains import Chain, lengths
from pipeline.experiment.params import Params
from pipeline.judging.pictures import sample_picture
from pipeline.storage.layout import PICTURE, Layout
from pipeline.views.report.results import first_chains

SHOWN = 24
BUDGET = 1_200_000
"""Bytes of all embedded pictures together, before base64 adds a third."""
QUALITIES = (85, 60, 35, 15)


def spread(last: int, count: int) -> list[int]:
    """At most `count` generations from 1 to `last`, evenly spread, both included."""
    return sorted({round(number) for number in np.linspace(1, last, min(count, last)).tolist()})


def pictures(params: Params, results: pd.DataFrame) -> dict[Chain, dict[int, Path]]:
    """Each arm's first chain: the picture of every finished generation that has one."""
    layout, found = Layout(params.experiment), dict[Chain, dict[int, Path]]()
    for chain, last in first_chains(results).items():
        paths = {number: layout.generation(chain, number) / PICTURE for number in range(1, last + 1)}
        found[chain] = {number: path for number, path in paths.items() if path.exists()}
    return found


def gallery(params: Params, results: pd.DataFrame, longer: dict[Chain, int] | None = None) -> dict[str, Any]:
    """What the page's slider shows: `generations`, and `arms`, each with name, seed, expected length and a data URI for each.

    Where an arm has no such generation there is no URI. `real` is the picture of the real set.
    """
    expected = lengths(params, longer)
    found = {chain: paths for chain, paths in pictures(params, results).items() if paths}
    last = max((max(paths) for paths in found.values()), default=0)
    generations = spread(last, SHOWN) if last else []
    embedded = sum(number in paths for paths in found.values() for number in generations)
    limit = BUDGET // (embedded + 1)
    arms = [
        {
            "name": chain.arm,
            "seed": chain.seed,
            "expected": expected[chain],
            "pictures": [_uri(paths[number].read_bytes(), limit) if number in paths else None for number in generations],
        }
        for chain, paths in found.items()
    ]
    real = stored.real(params, next(iter(found)).seed if found else params.seeds[0])
    shown = _uri(sample_picture(params, read_samples(real)[:256]), limit) if real.exists() else None
    return {"generations": generations, "arms": arms, "real": shown}


def _uri(png: bytes, limit: int) -> str:
    """A picture as a data URI of about `limit` bytes at most: without loss if that is enough, else as a JPEG, else smaller."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    if colours := picture.getcolors(256):
        flat = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(colours))
        png = min(_encoded(flat, "PNG", optimize=True), png, key=len)
    if len(png) <= limit:
        return _data("image/png", png)
    while True:
        for quality in QUALITIES:
            jpeg = _encoded(picture, "JPEG", quality=quality)
            if len(jpeg) <= limit or max(picture.size) <= 64:
                return _data("image/jpeg", jpeg)
        picture = picture.resize((picture.width // 2, picture.height // 2))


def _encoded(picture: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

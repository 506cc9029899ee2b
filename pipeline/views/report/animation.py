"""The collapse as an animation: the arms' points side by side over the generations, around the truth's contour."""

from io import BytesIO
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipeline.data import stored
from pipeline.data.arrays import mapped
from pipeline.experiment.params import Params
from pipeline.judging.pictures import CONTOUR, POINT, WHITE, of_images
from pipeline.views.report.gallery import pictures, spread

FRAMES, MILLISECONDS, LAST_MILLISECONDS = 50, 160, 1600
TITLE, GAP = 20, 4
INK = (20, 20, 20)
COLOURS = 16
MAX_BYTES = 700_000


def animation(params: Params, results: pd.DataFrame) -> bytes | None:
    """GIF of every arm's first chain; None for images, and before there are two generations.

    An arm that has fewer stays at its latest generation, which its title names. The same files give the same bytes.
    """
    found = {chain.arm: paths for chain, paths in pictures(params, results).items() if paths}
    last = max((max(paths) for paths in found.values()), default=0)
    real = stored.real(params, params.seeds[0])
    if last < 2 or (real.exists() and of_images(mapped(real))):
        return None
    frames = FRAMES
    while True:
        content = _gif([_frame(found, number) for number in spread(last, frames)])
        if len(content) <= MAX_BYTES or frames <= 4:
            return content
        frames //= 2


def _frame(found: dict[str, dict[int, Path]], generation: int) -> Image.Image:
    panels = []
    for arm, paths in found.items():
        shown = max((number for number in paths if number <= generation), default=min(paths))
        picture = Image.open(paths[shown]).convert("RGB")
        panel = Image.new("RGB", (picture.width, picture.height + TITLE), WHITE)
        panel.paste(picture, (0, TITLE))
        title = f"{arm}, generation {shown}" + (" (its latest)" if shown < generation else "")
        ImageDraw.Draw(panel).text((4, 4), title, fill=INK, font=ImageFont.load_default(12))
        panels.append(panel)
    frame = Image.new("RGB", (sum(p.width + GAP for p in panels) - GAP, max(p.height for p in panels)), WHITE)
    left = 0
    for panel in panels:
        frame.paste(panel, (left, 0))
        left += panel.width + GAP
    return frame


def _gif(frames: list[Image.Image]) -> bytes:
    palette = Image.new("P", (1, 1))
    greys = [channel for level in range(0, 256, 255 // (COLOURS - 3)) for channel in (level, level, level)]
    palette.putpalette([*WHITE, *POINT, *CONTOUR, *greys][: 3 * COLOURS])
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = BytesIO()
    times = [MILLISECONDS] * (len(flat) - 1) + [LAST_MILLISECONDS]
    flat[0].save(buffer, "GIF", save_all=True, append_images=flat[1:], duration=times, loop=0, optimize=False)
    return buffer.getvalue()

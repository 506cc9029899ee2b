"""Axes that can be read: ticks of logarithmic ones, and where the generations end."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

FEW_DECADES, NARROW = 2.5, 0.7
"""A logarithmic axis of fewer has labels between the powers of ten, too; a narrow one those of a linear axis."""


def logarithmic(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers at its ticks: 0.01, 0.02, 0.05, 0.1, or powers of ten alone.

    Called after everything is drawn: it depends on what the axis shows.
    """
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    if decades < NARROW:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < FEW_DECADES else (1.0,), numticks=12))
        axes.yaxis.set_minor_locator(LogLocator(subs=tuple(np.arange(2.0, 10.0)), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def generations(axes: Axes, last: int) -> None:
    """Let the horizontal axis begin with generation 1 and end with the last that there is."""
    spare = max(0.02 * (last - 1), 0.1 if last > 1 else 0.5)
    axes.set_xlim(1 - min(spare, 0.9), last + spare)  # there is no generation 0
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def measured(axes: Axes, rows: pd.DataFrame) -> None:
    """Keep a logarithmic axis of FID to what was measured, the floor included: what theory predicts of SIMS comes near 0."""
    fid = rows["fid"][np.isfinite(rows["fid"])]
    least = [fid.min(), *([rows["floor"].min()] if "floor" in rows else [])]
    axes.set_ylim(min(least) / 2, fid.max() * 2)

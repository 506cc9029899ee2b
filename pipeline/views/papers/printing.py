"""Figures for print: fitted to a column, with text of a size that can be read there, saved with embedded fonts."""

import textwrap
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from pipeline.storage.files import write_bytes

LABEL, TICK, LEGEND = 8.0, 7.0, 6.5
"""Sizes of text in points: journals ask for at least 6."""
LINE, MARKER = 1.2, 3.2
STYLE: dict[str, Any] = {"frameon": False, "fontsize": LEGEND, "handlelength": 2.4, "columnspacing": 1.2}
"""Of legends."""
BELOW = 27.0
"""Points from a panel to its legend, over the numbers and the name of its axis."""
PANEL = 2.2
"""Inches that a panel must have beside others; narrower ones go below each other."""
CHARACTER = 0.007
"""About the width of a character, in inches a point of its size."""
SETTINGS: Any = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "self-consuming", "savefig.dpi": 600}
"""Fonts are embedded as TrueType (some publishers refuse Type 3), and drawn as paths in SVG."""
UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
"""Metadata that would differ from one time to the next is left out: the same results give the same bytes."""
FORMATS = tuple(UNDATED)


def save(figure: Figure, stem: Path, formats: list[str]) -> list[Path]:
    """Write the figure beside each other in the formats, close it, and give the files."""
    paths = []
    with matplotlib.rc_context(SETTINGS):
        for kind in formats:
            buffer = BytesIO()
            figure.savefig(buffer, format=kind, metadata=UNDATED[kind])
            paths.append(stem.parent / f"{stem.name}.{kind}")
            write_bytes(paths[-1], buffer.getvalue())
    plt.close(figure)
    return paths


def fit(figure: Figure, width: float) -> Figure:
    """Give a figure a width in inches, with text, lines and markers for print.

    Panels that would be too narrow beside each other go below each other. Long titles and labels are broken into lines, and
    the legends drawn anew.
    """
    panels = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    if not panels:
        return figure
    spec = panels[0].get_subplotspec()
    assert spec is not None
    rows, columns, *_ = spec.get_geometry()
    old_width, old_height = figure.get_size_inches()
    shape = min(0.85, max(0.6, (old_height / rows) / (old_width / columns)))
    kept = min(columns, max(1, int(width // PANEL)))
    if kept < columns:
        rows, columns = ceil(len(panels) / kept), kept
        for place, cell in zip(panels, figure.add_gridspec(rows, columns)):  # type: ignore[call-overload]
            place.set_subplotspec(cell)
    lines = max((_print(axes, width / columns) for axes in figure.axes), default=0) * rows
    lines += _legend(figure, panels, width)
    if title := figure.get_suptitle():
        figure.suptitle(_broken(title, width), fontsize=LABEL)
    figure.set_size_inches(width, rows * shape * width / columns + lines * 1.5 * LEGEND / 72)
    return figure


def _print(axes: Axes, width: float) -> int:
    """Text, lines and markers of a panel of so many inches, its legend below it; gives the legend's number of lines."""
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_text(_broken(text.get_text(), width))
        text.set_fontsize(LABEL)
    axes.tick_params(which="both", labelsize=TICK)
    for line in axes.get_lines():
        line.set_linewidth(min(LINE, line.get_linewidth()))
        line.set_markersize(min(MARKER, line.get_markersize()))
    if axes.get_legend() is None:
        return 0
    handles, labels = axes.get_legend_handles_labels()
    below = axes.transAxes + ScaledTranslation(0, -BELOW / 72, axes.figure.dpi_scale_trans)
    columns = _columns(labels, width)
    axes.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=columns, **STYLE)
    return ceil(len(labels) / columns)


def _broken(text: str, width: float) -> str:
    """A label in lines that so many inches hold."""
    return textwrap.fill(text, max(10, int(0.85 * width / (CHARACTER * LABEL))))


def _legend(figure: Figure, panels: list[Axes], width: float) -> int:
    """Draw the figure's legend anew, if it has one; gives its number of lines."""
    if not figure.legends:
        return 0
    for former in list(figure.legends):
        former.remove()
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    columns = _columns(list(entries), width)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, **STYLE)
    return ceil(len(entries) / columns)


def _columns(labels: list[str], width: float) -> int:
    """How many columns of a legend fit into so many inches."""
    longest = max(map(len, labels), default=1)
    return max(1, min(4, int(width / (CHARACTER * LEGEND * longest + 0.45))))

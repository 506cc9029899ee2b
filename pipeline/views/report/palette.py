"""Colours and markers of curves: an arm looks the same in every chart, on every page and in every study.

Standard training, SIMS and the control always have the same three, whatever other arms there are (Okabe and Ito's blue,
vermilion and bluish green). All colours have a contrast of at least 3.3 against white and against the page's dark background,
and the three are told apart by readers who see no red or no green; in grey print all are by their markers.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

from pipeline.experiment.params import Params
from pipeline.views.report.results import control_arm, plain_arm

GREY, BLACK = "#808080", "#000000"


class Look(NamedTuple):
    """How a curve is drawn: its colour, and its marker as Matplotlib and as plotly.js call it."""

    colour: str
    marker: str
    symbol: str


STANDARD = Look("#0072b2", "o", "circle")
SIMS = Look("#d55e00", "s", "square")
CONTROL = Look("#009e73", "^", "triangle-up")
COLOURS = "#5c4fff", "#179ba9", "#dc0a45", "#378bfd", "#a8497d"
"""Those of other arms."""
MARKERS = (("D", "diamond"), ("v", "triangle-down"), ("P", "cross"), ("X", "x"), ("p", "pentagon"))


def looks(arms: Iterable[str], control: str | None = None, standard: str = "standard", sims: str = "sims") -> dict[str, Look]:
    """The look of each arm: by its name alone, as long as no two others have the same.

    Args:
        arms: their names.
        control: the one that trains on real data alone.
        standard: the arm that has standard training's look.
        sims: the arm that has the look of SIMS.
    """
    known = {standard: STANDARD, sims: SIMS} | ({} if control is None else {control: CONTROL})
    found: dict[str, Look] = {}
    for arm in arms:
        found[arm] = known.get(arm) or _other(arm, set(found.values()))
    return found


def arm_looks(params: Params) -> dict[str, Look]:
    """The looks of an experiment's arms; where none is called standard or sims, the first one of that strategy has its look."""
    first = next((name for name, arm in params.arms.items() if arm.strategy == "sims"), "sims")
    standard = "standard" if "standard" in params.arms else plain_arm(params)
    return looks(params.arms, control_arm(params), standard, "sims" if "sims" in params.arms else first)


def shades(count: int) -> Sequence[str]:
    """Colours of a sequence (budgets, sizes), dark to light, none of which is an arm's."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    places = [0.85 * place / max(1, count - 1) for place in range(count)]
    return [to_hex(colormaps["viridis"](place)) for place in places]


def _other(name: str, taken: set[Look]) -> Look:
    """A look by the name, the next one where that is taken; after all colours, the same ones with other markers."""
    start, count = crc32(name.encode()), len(COLOURS)
    for turn in range(count):
        for step in range(count):
            place = (start + step) % count
            look = Look(COLOURS[place], *MARKERS[(place + turn) % count])
            if look not in taken:
                return look
    return Look(GREY, "o", "circle")

"""Curves: their colours for all readers and everywhere, and axes that can be read."""

import re
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pipeline.experiment.params import load, parse
from pipeline.views.report.axes import generations, logarithmic
from pipeline.views.report.palette import COLOURS, CONTROL, SIMS, STANDARD, arm_looks, looks, shades

ROOT = Path(__file__).resolve().parents[2]
PAGES = "#ffffff", "#15181c"
SEEN = {
    "by most": np.eye(3),
    "without green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "without red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
}
"""Linear RGB as it is seen (Machado et al. 2009, severity 1)."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def difference(one: str, other: str, seen: np.ndarray) -> float:
    """The distance in CIELAB: 2 is just noticed."""

    def lab(colour: str) -> np.ndarray:
        x, y, z = np.cbrt((TO_XYZ @ np.clip(seen @ linear(colour), 1e-3, 1)) / np.array([0.9505, 1, 1.089]))
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    return float(np.linalg.norm(lab(one) - lab(other)))


@pytest.mark.parametrize("page", PAGES)
def test_every_curve_stands_out_from_the_light_and_the_dark_page(page: str) -> None:
    for colour in (*COLOURS, STANDARD.colour, SIMS.colour, CONTROL.colour):
        assert contrast(colour, page) >= 3.3


@pytest.mark.parametrize("seen", SEEN)
def test_standard_sims_and_control_are_far_apart_for_colour_blind_readers(seen: str) -> None:
    for one, other in combinations((STANDARD, SIMS, CONTROL), 2):
        assert difference(one.colour, other.colour, SEEN[seen]) > 30


def test_an_arm_keeps_its_look_whatever_the_others_are() -> None:
    alone, among = looks(["neon", "sims", "standard"]), looks(["standard", "a", "b", "real", "sims", "neon"], "real")
    assert (alone["standard"], alone["sims"]) == (STANDARD, SIMS) == (among["standard"], among["sims"])
    assert among["real"] == CONTROL
    assert looks(["fresh", "sims"])["fresh"] == looks(["fresh"])["fresh"]
    assert alone["neon"] in looks(["neon"]).values()


def test_as_many_arms_as_a_sweep_has_differ_in_colour_or_marker() -> None:
    many = looks([f"w-{place}" for place in range(25)])
    assert len(set(many.values())) == 25
    assert len({look.colour for look in looks([f"w-{place}" for place in range(5)]).values()}) == 5
    assert len(looks([f"w-{place}" for place in range(40)])) == 40


def test_where_no_arm_is_called_so_the_first_of_the_strategy_has_the_look() -> None:
    raw = load(ROOT / "presets/gaussian.yaml").model_dump(mode="json", exclude_none=True)
    arms = {name: {"loop": "augmentation", "strategy": "sims", "guidance": w} for name, w in (("half", 0.5), ("one", 1.0))}
    arms |= {"plain": {"loop": "augmentation", "strategy": "standard"}, "alone": {"loop": "real", "strategy": "standard"}}
    look = arm_looks(parse(raw | {"arms": arms}))
    assert (look["half"], look["plain"], look["alone"]) == (SIMS, STANDARD, CONTROL)
    assert len(set(look.values())) == 4


def test_the_colours_of_a_sequence_get_lighter_so_that_grey_print_keeps_their_order() -> None:
    light = [float(TO_XYZ[1] @ linear(shade)) for shade in shades(5)]
    assert all(before < after for before, after in pairwise(light))


def test_dvcs_page_has_the_same_colours() -> None:
    page = (ROOT / ".dvc/plots.html").read_text()
    known = {"standard": STANDARD.colour, "sims": SIMS.colour, "real": CONTROL.colour}
    assert dict(re.findall(r'(\w+): "(#\w{6})"', page)) == known
    assert re.findall(r'"(#\w{6})"', page.partition("OTHERS = ")[2].partition(";")[0]) == list(COLOURS)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.009, 0.12, {"0.01", "0.02", "0.05", "0.1"}),
        (0.0009, 120, {"0.001", "0.01", "0.1", "1", "10", "100"}),
        (0.021, 0.052, {"0.03", "0.04", "0.05"}),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers(low: float, high: float, shown: set[str]) -> None:
    figure, axes = plt.subplots()
    axes.plot([1, 2], [low, high])
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    logarithmic(axes)
    figure.canvas.draw()
    there = {label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high}
    assert {text for text in there if text} == shown
    assert not any(label.get_text() for label in axes.get_yticklabels(minor=True))
    plt.close(figure)


@pytest.mark.parametrize("last", [1, 2, 100])
def test_the_axis_of_generations_ends_with_the_last_one(last: int) -> None:
    figure, axes = plt.subplots()
    axes.plot(range(1, 201), range(200))
    generations(axes, last)
    low, high = axes.get_xlim()
    assert 0 < low <= 1
    assert last <= high < last + max(1, 0.03 * last)
    plt.close(figure)

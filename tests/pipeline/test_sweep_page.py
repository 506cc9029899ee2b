"""The page of a sweep: the best place, and what is drawn."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pipeline.experiment.errors import BadInput
from pipeline.studies.pages.sweep import page
from pipeline.studies.pages.sweep.choice import best_place, sweep_of, table
from pipeline.studies.points.sweep.point import Settings
from pipeline.views.papers.printing import fit


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def rows_of(axes: dict[str, list[Any]], fid: Callable[..., float | None], arms: tuple[str, ...] = ("sims",)) -> pd.DataFrame:
    """Two generations of every place, the second twice `fid` of it, and seeds 0, 1 (reported) and 9 (to choose by)."""
    rows = []
    places = [{}]  # type: list[dict[str, Any]]
    for axis, values in axes.items():
        places = [place | {axis: value} for place in places for value in values]
    for place in places:
        for arm in arms:
            for seed in (0, 1, 9):
                value = fid(seed=seed, **{name.rpartition(".")[2]: each for name, each in place.items()})
                common = place | {"seed": seed, "arm": arm}
                rows.append(common | {"generation": 1, "fid": 100.0, "broken": None})
                broken = {} if value is not None else {"broken": "diverged"}
                rows.append(common | {"generation": 2, "fid": value} | broken)
    frame = pd.DataFrame(rows)
    frame.attrs["axes"] = [*axes, "seed"]
    return frame


SETTINGS = Settings(selection_seeds=[9])
GRID = {"arms.sims.guidance": [0.5, 1.0, 1.5], "n_synthetic": [100, 200]}


def bowl(seed: int, guidance: float, n_synthetic: int) -> float:
    """The selection seed has its least at guidance 1 and 200 samples, where the others have 2 and 4."""
    return abs(guidance - 1) + 200 / n_synthetic + (0 if seed == 9 else 1 + 2 * seed)


def test_the_best_place_is_chosen_on_the_selection_seeds_and_reported_on_the_others() -> None:
    text, tables = page.summary(SETTINGS, rows_of(GRID, bowl))
    assert "sims: of 6 places the best is arms.sims.guidance = 1, n_synthetic = 200, chosen on seeds 9" in text
    assert "fid 3 (2 to 4) on 2 other seeds" in text
    assert "it lies at an end of n_synthetic, so a better one may lie beyond" in text
    assert "Of a chain's last generation" in text
    (found,) = tables.values()
    assert list(found["n_synthetic"]) == [100, 200] * 3
    best = found[found["best"] == "best"]
    assert best[["fid", "low", "high", "fid on the selection seeds"]].to_numpy().tolist() == [[3, 2, 4, 1]]


def test_without_selection_seeds_the_page_says_that_it_chose_on_what_it_reports() -> None:
    text, _ = page.summary(Settings(), rows_of(GRID, bowl))
    assert "3 seeds, on which it was chosen, too: the true one is likely worse" in text


def test_of_a_metric_that_is_better_the_higher_the_highest_is_the_best_and_of_others_where_it_is_asked_for() -> None:
    rows = rows_of(GRID, bowl)
    worst = {"arms.sims.guidance": 0.5, "n_synthetic": 100}
    assert best_place(sweep_of(Settings(best="highest"), rows), "sims") == worst
    assert best_place(sweep_of(Settings(metric="recall"), rows.assign(recall=rows["fid"])), "sims") == worst
    assert best_place(sweep_of(Settings(best="lowest", metric="recall"), rows.assign(recall=rows["fid"])), "sims") != worst


def test_a_chain_that_broke_is_infinitely_bad_and_its_cell_says_so() -> None:
    def diverging(seed: int, guidance: float, n_synthetic: int) -> float | None:
        return None if guidance > 1 else bowl(seed, guidance, n_synthetic)

    rows = rows_of(GRID, diverging)
    assert best_place(sweep_of(SETTINGS, rows), "sims")["arms.sims.guidance"] == 1.0
    assert np.isinf(table(sweep_of(SETTINGS, rows), "sims")["fid"]).sum() == 2
    assert [text.get_text() for text in page.plot(SETTINGS, rows).axes[0].texts].count("broke") == 2


def test_a_metric_that_the_points_have_not_is_refused_with_those_that_they_have() -> None:
    with pytest.raises(BadInput, match=r"settings.metric: 'kid' is not allowed: the points have fid"):
        page.summary(Settings(metric="kid"), rows_of(GRID, bowl))


def test_a_place_that_only_some_selection_seeds_have_made_is_not_chosen() -> None:
    rows = rows_of(GRID, bowl)
    more = rows[rows["seed"] == 9].assign(seed=8, fid=rows["fid"] + 5)
    rows = pd.concat([rows, more[more["n_synthetic"] == 100]])
    rows.attrs["axes"] = [*GRID, "seed"]
    assert best_place(sweep_of(Settings(selection_seeds=[8, 9]), rows), "sims")["n_synthetic"] == 100


def test_two_axes_are_a_heat_map_with_its_numbers_and_the_best_in_a_frame() -> None:
    figure = page.plot(SETTINGS, rows_of(GRID, bowl))
    heat, bar = figure.axes
    assert (heat.get_xlabel(), heat.get_ylabel()) == ("arms.sims.guidance", "n_synthetic")
    (image,) = heat.images
    assert np.asarray(image.get_array()).tolist() == [[4.5, 4.0, 4.5], [3.5, 3.0, 3.5]]
    assert len(heat.texts) == 6
    (frame,) = heat.patches
    assert frame.get_bbox().min.tolist() == [0.5, 0.5]  # type: ignore[attr-defined]
    assert bar.get_ylabel() == "fid, mean over seeds"


def test_in_a_papers_column_the_title_of_a_heat_map_is_not_cut_off() -> None:
    figure = fit(page.plot(SETTINGS, rows_of(GRID, bowl)), 3.3)
    figure.canvas.draw()
    assert figure._suptitle is not None  # type: ignore[attr-defined]
    seen = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
    assert figure.bbox.x0 <= seen.x0 < seen.x1 <= figure.bbox.x1


def test_one_axis_is_a_curve_and_names_are_places_on_it() -> None:
    figure = page.plot(
        SETTINGS, rows_of({"train.steps": [10, 100, 1000]}, lambda seed, steps: steps**0.5, ("sims", "standard"))
    )
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "train.steps", "fid")
    assert [str(line.get_label()) for line in axes.lines][::2] == ["sims", "standard"]
    named = page.plot(SETTINGS, rows_of({"arms.sims.init": ["scratch", "previous"]}, lambda seed, init: float(len(init)))).axes[
        0
    ]
    assert [tick.get_text() for tick in named.get_xticklabels()] == ["scratch", "previous"]


def test_more_axes_are_small_multiples_and_very_many_all_points_over_each_axis() -> None:
    def flat(seed: int, guidance: float, n_synthetic: int, **more: float) -> float:
        return bowl(seed, guidance, n_synthetic) + sum(more.values())

    three = page.plot(SETTINGS, rows_of(GRID | {"train.steps": [1, 2]}, flat, ("sims", "standard")))
    titles = [axes.get_title() for axes in three.axes if axes.images]
    assert titles == [f"{arm}, train.steps = {steps}" for arm in ("sims", "standard") for steps in (1, 2)]
    many = page.plot(SETTINGS, rows_of(GRID | {"train.steps": list(range(1, 15))}, flat))
    assert [axes.get_xlabel() for axes in many.axes if axes.lines] == ["arms.sims.guidance", "n_synthetic", "train.steps"]

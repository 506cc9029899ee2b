"""Figures, tables and sources for papers, and the meaning of columns."""

import json
import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Project, asked, until

from flows.cli import main
from pipeline.analysis.intervals import bootstrap, spread
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load, parse
from pipeline.recipes.stages import plots
from pipeline.studies.bench.study import load_study
from pipeline.studies.kind import kind_of
from pipeline.views.papers import figures, tables
from pipeline.views.papers.options import formats, inches
from pipeline.views.papers.printing import LEGEND, TICK, fit
from pipeline.views.papers.sources import OF_HOOKS, OF_KINDS, OF_LOOPS, OF_STRATEGIES, bibliography, entries, sources
from pipeline.views.report.columns import meaning
from pipeline.views.report.results import collect, yardsticks

ROOT = Path(__file__).resolve().parents[2]
CONTROLLED = "  real: {loop: real, strategy: standard, generations: 1}\n"


def params_with(arms: dict[str, Any], **more: Any) -> Any:
    raw = load(ROOT / "presets/gaussian.yaml").model_dump(mode="json", exclude_none=True)
    return parse(raw | {"arms": arms} | more)


@pytest.mark.parametrize(
    ("given", "wanted"), [("3.3in", 3.3), ("8.4cm", 8.4 / 2.54), ("84mm", 84 / 25.4), ("240pt", 240 / 72.27), (" 3 in ", 3.0)]
)
def test_a_width_is_a_number_with_a_unit(given: str, wanted: float) -> None:
    assert inches(given) == pytest.approx(wanted)


@pytest.mark.parametrize("given", ["3.3", "3 parsecs", "-3in", "0in", "1e3in", "nan", "400in", ""])
def test_any_other_width_is_refused_in_a_line_that_says_what_is_allowed(given: str) -> None:
    with pytest.raises(BadInput, match=r"--width: .* is not allowed: .* in, cm, mm or pt") as refused:
        inches(given)
    assert "\n" not in str(refused.value)


def test_formats_are_listed_with_commas_and_unknown_ones_are_refused() -> None:
    assert formats("pdf, svg,pdf", ("pdf", "svg", "png")) == ["pdf", "svg"]
    with pytest.raises(BadInput, match="'eps' is not allowed: one or more of pdf,svg"):
        formats("pdf,eps", ("pdf", "svg"))


def test_the_commands_write_the_same_files_again_and_name_them(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with chdir(small.folder):
        found = []
        for _ in range(2):
            assert main(["figures", "--format", "pdf,svg,png", "--width", "84mm"]) == 0
            assert main(["tables"]) == 0
            paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
            found.append({path: path.read_bytes() for path in paths})
        assert main(["figures", "--width", "84"]) == 2
        assert main(["tables", "--format", "word"]) == 2
    assert found[0] == found[1]
    assert {path.name for path in found[0]} == {
        *(f"{name}.{ending}" for name in ("collapse", "samples") for ending in ("pdf", "svg", "png")),
        *("fid.tex", "fid.md", "fid.csv", "sources.bib"),
    }
    assert all(path.parts[:2] == ("reports", "smoke") for path in found[0])
    assert len(capsys.readouterr().err.splitlines()) == 2
    files = {path.name: content for path, content in found[0].items()}
    for name in ("collapse.pdf", "samples.pdf"):
        assert b"/FontFile2" in files[name]  # TrueType, embedded
        assert b"/Type3" not in files[name]
        assert b"Date" not in files[name]
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", files[name])
        assert box is not None
        assert float(box[1]) == pytest.approx(84 / 25.4 * 72, abs=0.01)
    for name in ("collapse.svg", "samples.svg"):
        assert b"<text" not in files[name]  # letters are paths
        assert b"dc:date" not in files[name]


def test_the_collapse_curves_are_readable_in_print_and_hold_floor_theory_and_control(small: Project) -> None:
    small.edit("  sims: {loop", CONTROLLED + "  sims: {loop")
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        real = results[results["arm"] == "standard"].assign(arm="real")
        results = pd.concat([results, real])
        figure = figures.collapse(params, results, yardsticks(params, results), 3.3)
        figure.canvas.draw()
    (axes,) = figure.axes
    assert figure.get_size_inches()[0] == pytest.approx(3.3)
    texts = {text.get_text(): text for text in figure.legends[0].get_texts()}
    assert {"standard", "sims", "real", "real: mean", "floor: 1000 real samples", "predicted (exact fit)"} <= texts.keys()
    assert all(text.get_fontsize() >= LEGEND for text in texts.values())
    assert all(label.get_fontsize() == TICK for label in axes.get_xticklabels())
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert len({lines[arm].get_marker() for arm in ("standard", "sims", "real")}) == 3
    assert len(axes.collections) >= 3  # bands
    shown = figure.get_tightbbox().width  # type: ignore[no-untyped-call]
    assert shown <= 3.3
    assert figure.legends[0].get_window_extent().width / figure.dpi <= 3.3


def test_studies_that_have_points_have_figures_of_the_width_with_panels_below_each_other(small: Project) -> None:
    rows = pd.read_csv(ROOT / "reports/gallery/studies/pollution.csv")
    with chdir(small.folder):
        study = load_study("pollution")
        for at in study.points:
            here = rows[(rows[list(at)] == pd.Series(at)).all(axis=1)]
            study.path(at).parent.mkdir(parents=True, exist_ok=True)
            study.path(at).write_text(json.dumps(here.drop(columns=list(at)).to_dict("records")))
        written = figures.build(load(Path("params.yaml")), ["pdf"], 3.3)
        assert Path("reports/studies/pollution/figures/pollution.pdf") in written
        assert all(path.stat().st_size > 5000 for path in written)
        study = load_study("control")
        kind, settings = kind_of(study)
        table = pd.read_csv(ROOT / "reports/gallery/studies/control.csv")
        narrow, wide = (fit(kind.plot(settings, table), width) for width in (3.3, 7.0))
    for figure, rows_of_panels in ((narrow, 2), (wide, 1)):
        figure.canvas.draw()
        spec = figure.axes[0].get_subplotspec()
        assert spec is not None
        assert spec.get_gridspec().nrows == rows_of_panels
        for axes in figure.axes:
            legend = axes.get_legend()
            assert legend is not None
            assert legend.get_window_extent().y1 < axes.get_window_extent().y0  # covers no curve


def test_a_table_has_an_arm_a_row_with_intervals_over_its_seeds(small: Project) -> None:
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        table = tables.rows(params, results).set_index("arm")
    first = results[(results["arm"] == "sims") & (results["generation"] == 1)]["fid"].to_numpy()
    end = results[(results["arm"] == "sims") & (results["generation"] == 4)]["fid"].to_numpy()
    row = table.loc["sims"]
    assert (row["seeds"], row["n_samples"], row["floor_n"], row["end_over"], row["strategy"]) == (2, 1000, 1000, 1, "sims")
    assert (row["first_mean"], row["first_low"], row["first_high"]) == pytest.approx(tuple(bootstrap(first)))
    known = spread(end)
    assert row["end_median"] == pytest.approx(known.median)
    assert row["end_geometric_mean"] == pytest.approx(known.geometric_mean)
    assert (row["end_fresh_low"], row["end_fresh_high"]) == pytest.approx((known.fresh_low, known.fresh_high))


def test_tables_say_the_same_in_every_format_and_one_seed_has_no_interval(small: Project) -> None:
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        both, one = (tables.rows(params, chosen) for chosen in (results, results[results["seed"] == 0]))
        tex, markdown, alone = tables.latex(params, both), tables.markdown(params, both), tables.markdown(params, one)
    head, rule, *body = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in markdown.splitlines()[:4]]
    assert len(head) == len(rule) == len(body[0])
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", body[0][4])
    assert " (" not in "".join(alone.splitlines()[2:4])
    inner = [line.removesuffix(r" \\").split(" & ") for line in tex.splitlines() if line.endswith(r" \\")]
    assert [[cell.replace("--", " to ") for cell in line] for line in inner] == [head, *body]
    assert len(re.findall("[lr]", tex.partition("tabular}{")[2].partition("}")[0])) == len(head)


def test_names_are_escaped_for_latex() -> None:
    assert tables.escape("a_b & 50% of #1 ~ {x}^2 \\ $") == (
        r"a\_b \& 50\% of \#1 \textasciitilde{} \{x\}\textasciicircum{}2 \textbackslash{} \$"
    )


@pytest.mark.parametrize("command", ["figures", "tables"])
def test_without_a_generation_there_is_one_line_that_says_so(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chdir(Project(tmp_path / "project").folder):
        assert main([command]) == 2
    assert "has no finished generation" in capsys.readouterr().err.splitlines()[0]


def test_the_sources_are_those_of_the_arms_and_no_others() -> None:
    arms = {
        "plain": {"loop": "accumulate", "strategy": "standard", "init": "previous"},
        "sims": {"loop": "augmentation", "strategy": "sims", "guidance": 1.0},
        "mended": {"loop": "synthetic", "strategy": "standard", "hook": {"name": "towards-real", "strength": 0.5}},
    }
    found = sources(params_with(arms))
    assert found.keys() == {
        *("karras2022edm", "heusel2017fid", "alemohammad2024mad", "alemohammad2024sims", "gerstgrasser2024accumulate"),
        *("bertrand2024stability", "gillman2024correcting"),
    }
    assert found["alemohammad2024mad"] == ["loop augmentation", "loop synthetic"]
    text = bibliography(params_with(arms))
    assert text.count("\n@") == len(found)
    assert "% strategy sims\n@misc{alemohammad2024sims," in text
    assert "2408.16333" in text
    assert "neon" not in text


def test_every_source_that_is_named_has_an_entry_that_closes_its_braces() -> None:
    known = entries()
    named = {key for kinds in (OF_LOOPS, OF_STRATEGIES, OF_HOOKS) for keys in kinds.values() for key in keys}
    assert named | set(OF_KINDS.values()) <= known.keys()
    for text in known.values():
        assert text.count("{") == text.count("}")
        assert re.search(r"eprint = \{\d{4}\.\d{5}\}", text)


def test_an_extensions_loop_is_named_as_one_without_a_known_source(tmp_path: Path) -> None:
    copy = Project(tmp_path / "project")
    copy.edit("experiment: smoke", "extensions: [examples/my_arms.py]\nexperiment: smoke")
    copy.edit("sims: {loop: augmentation", "sims: {loop: every-second")
    with chdir(copy.folder):
        assert "% no source is known of: loop every-second\n" in bibliography(load(Path("params.yaml")))


def test_every_column_of_collapse_csv_is_explained_beside_it(finished: Project) -> None:
    reports = finished.folder / "reports/smoke"
    columns = (reports / "collapse.csv").read_text().partition("\n")[0].split(",")
    explained = dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", (reports / "columns.md").read_text(), re.MULTILINE))
    assert list(explained) == columns
    assert all(len(text) > 15 and "not known" not in text for text in explained.values())


def test_lists_arms_keys_and_metrics_of_ones_own_are_explained_and_what_is_unknown_is_not_made_up() -> None:
    params = load(ROOT / "presets/gaussian.yaml")
    assert "number 1, from 0" in str(meaning(params, "mode_shares.01"))
    assert "params.yaml" in str(meaning(params, "arms.zeta"))
    assert meaning(params, "something_else") is None


def test_dvc_draws_the_curves_without_a_request(small: Project, browser: Any) -> None:
    small.run("flows.cli", "report")
    with chdir(small.folder):
        (small.folder / "runs/smoke/dvc.yaml").write_text(plots(load(Path("params.yaml"))))
    small.run("dvc", "plots", "show", "runs/smoke/dvc.yaml", "--out", "shown")
    browser.get("about:blank")
    browser.get_log("performance")
    page = (small.folder / "shown/index.html").as_uri()
    browser.get(page)
    until(lambda: len(browser.find_elements("css selector", "polyline")) == 2)
    colours = {line.get_attribute("stroke") for line in browser.find_elements("css selector", "polyline")}
    assert colours == {"#0072b2", "#d55e00"}
    assert "standard" in browser.find_element("css selector", ".legend").text
    assert asked(browser) == {page}
    ticks = [text.text for text in browser.find_elements("css selector", "svg text")]
    assert any(np.isclose(float(text), 0.02) for text in ticks if re.fullmatch(r"[\d.]+", text))

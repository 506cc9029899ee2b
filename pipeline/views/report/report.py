"""The report: `collapse.csv` and its columns, two figures, an animation, and an HTML page that holds all without a network."""

import base64
import platform
import time
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from pipeline.data import noise
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load
from pipeline.records.revision import changed, commit
from pipeline.storage.files import read_json, write_bytes, write_json, write_text
from pipeline.storage.layout import PRESETS, Layout
from pipeline.storage.ownership import owned
from pipeline.views.report import figures, timetable
from pipeline.views.report.animation import animation
from pipeline.views.report.answer import answer_table, headline, reference_name
from pipeline.views.report.charts import MANY, charts, library
from pipeline.views.report.columns import dictionary
from pipeline.views.report.costs import costs, step_seconds
from pipeline.views.report.gallery import gallery
from pipeline.views.report.numerals import figure_text
from pipeline.views.report.provenance import note_params
from pipeline.views.report.results import collect, control_arm, verdicts, yardsticks
from pipeline.views.report.states import progress
from pipeline.views.report.verdicts import MEANING, mad, shown, summary
from pipeline.views.resolved import resolved

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "prefect",
    "dvc",
    "mlflow",
    "clean-fid",
    "scikit-learn",
    "matplotlib",
    "plotly",
)
RELOADS = '<meta http-equiv="refresh"'
RELOAD = RELOADS + ' content="{:.3g}">\n'
HEAD = 1000
"""Characters of a page among which that line is, if it is there."""
ROOM = Path(__file__).parent
STUDIES = Path("reports") / "studies"
"""Where the pages of studies are; the report names those that there are."""


class Composed(NamedTuple):
    """A report that is not written yet."""

    page: str
    results: pd.DataFrame
    summary: dict[str, dict[str, float | str]]
    pictures: dict[str, bytes]
    """By their file names."""


def build(params: Params, longer: dict[Chain, int] | None = None, began: float | None = None) -> Path:
    """Rebuild the report from the files, finished or not, and give the page's path.

    Args:
        params: the experiment.
        longer: chains that this run extends beyond params.yaml's number of generations.
        began: when the current run began, in seconds since the epoch; the table of times is the last run's when not given.

    Raises BadInput when not even the data are there.
    """
    layout, composed = Layout(params.experiment), compose(params, longer, began)
    write_text(layout.reports / "collapse.csv", composed.results.to_csv(index=False, lineterminator="\n"))
    write_text(layout.reports / "columns.md", dictionary(params, composed.results.columns))
    note_params(layout.reports, params)
    for name, picture in composed.pictures.items():
        write_bytes(layout.reports / name, picture)
    write_json(layout.reports / "summary.json", composed.summary)
    _write_curves(layout.reports / "curves", composed.results)
    with owned(layout.reports, wait=True):
        write_text(layout.page, composed.page)
    return layout.page


def preview(params: Params, longer: dict[Chain, int] | None, reload: float | None) -> None:
    """Rebuild the page alone, which is no output of DVC's, beside a run; with `reload` it reloads itself so often, in seconds.

    Whatever a run has reported in the meantime is newer, and stays.
    """
    page = Layout(params.experiment).page
    before = _written(page)
    composed = compose(params, longer, reload=reload)
    with owned(page.parent, wait=True):
        if _written(page) == before or is_preview(page):
            write_text(page, composed.page)


def settle(page: Path) -> None:
    """Let a page that reloads itself do so no longer; another one stays as it is."""
    if is_preview(page):
        with owned(page.parent, wait=True):
            write_text(page, still(page.read_text(encoding="utf-8")))


def compose(
    params: Params, longer: dict[Chain, int] | None = None, began: float | None = None, reload: float | None = None
) -> Composed:
    """The report, and nothing written; see `build` and `preview`."""
    layout = Layout(params.experiment)
    if not layout.facts.exists():
        raise BadInput(f"experiment: {params.experiment!r} has made nothing yet (self-consuming run)")
    results = collect(params, longer)
    marks = yardsticks(params, results)
    pictures = {"collapse.png": figures.collapse(params, results, marks), "samples.png": figures.samples(params, results)}
    if moving := animation(params, results):
        pictures["collapse.gif"] = moving
    chains, steps = progress(params, results, longer), step_seconds(layout)
    table = mad(params, results, chains)
    drawn = charts(params, results, marks)
    cost = costs(params, results, steps)
    page = _template().render(
        params=params,
        reload=Markup(RELOAD.format(max(1.0, reload))) if reload else "",
        resolved=_yaml(resolved(params)),
        seen=noise.resolved(params).get("share_above_half_sigma_max", 0.0),
        unseen=noise.warning(params),
        preset=_is_preset(params),
        revision=commit(),
        changed=changed(),
        facts=read_json(layout.facts),
        marks=marks,
        headline=headline(params, results, table, cost),
        answers=answer_table(params, table, cost),
        mad=shown(table),
        meaning=MEANING,
        reference=reference_name(params, results),
        chains=_chains(chains, verdicts(params, results)),
        made=len(results),
        expected=sum(row["expected"] for row in chains),
        control=control_arm(params),
        charts=drawn,
        many=MANY,
        gallery=gallery(params, results, longer),
        collapse=_encoded(pictures["collapse.png"]),
        sheets=[_encoded(sheet) for sheet in figures.sheets(drawn)],
        samples=_encoded(pictures["samples.png"]),
        moving=_encoded(moving) if moving else None,
        costs=cost.to_dict("records"),
        steps=timetable.steps_of(steps),
        times=_times(layout, began),
        compute=_compute(steps),
        studies=[page.parent.name for page in sorted(STUDIES.glob("*/report.html"))],
        versions={"Python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        library=Markup(library()),
        script=Markup((ROOM / "report.js").read_text(encoding="utf-8")),
        style=Markup((ROOM / "report.css").read_text(encoding="utf-8")),
    )
    return Composed(page, results, summary(table), pictures)


def _write_curves(folder: Path, results: pd.DataFrame) -> None:
    """Each arm's mean FID over the generations, for `dvc plots show`; arms without one, or that are gone, have no file.

    DVC draws no curve at all where one file has no rows, and warns of one that is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arms = set(results["arm"])
    for former in folder.glob("*.csv"):
        if former.stem not in arms:
            former.unlink()
    for arm, of_arm in results.groupby("arm", sort=False):
        write_text(folder / f"{arm}.csv", of_arm.groupby("generation")["fid"].mean().to_csv(lineterminator="\n"))


def is_preview(page: Path) -> bool:
    """Whether the page is there and reloads itself, as one does whose run goes on."""
    if not page.exists():
        return False
    with page.open(encoding="utf-8") as file:
        return RELOADS in file.read(HEAD)


def _written(page: Path) -> tuple[int, int] | None:
    """Changes with every writing of the page."""
    if not page.exists():
        return None
    state = page.stat()
    return state.st_ino, state.st_mtime_ns


def still(page: str) -> str:
    """A page that no longer reloads itself."""
    head, mark, rest = page.partition(RELOADS)
    return head + rest.partition("\n")[2] if mark and len(head) < HEAD else page


def _template() -> Any:
    environment = Environment(loader=FileSystemLoader(ROOM), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = figure_text
    return environment.get_template("report.html")


def _chains(states: list[dict[str, Any]], measured: pd.DataFrame) -> list[dict[str, Any]]:
    """Every chain's state, with what was measured of it, if anything was."""
    known = {(row["arm"], row["seed"]): row for row in measured.to_dict("records")}
    return [state | known.get((state["arm"], state["seed"]), {}) for state in states]


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _is_preset(params: Params) -> bool:
    """Whether the preset of the experiment's name is just this experiment."""
    try:
        return load(Path(PRESETS) / f"{params.experiment}.yaml", Path()) == params
    except BadInput:
        return False


def _yaml(content: dict[str, Any]) -> str:
    text = StringIO()
    YAML().dump(content, text)
    return text.getvalue()


def _times(layout: Layout, began: float | None) -> list[dict[str, object]]:
    span = (began, time.time()) if began is not None else timetable.last_run(layout)
    return timetable.time_table(layout, *span).to_dict("records") if span else []


def _compute(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Seconds of each step, summed over a chain's generations."""
    if rows.empty:
        return []
    wide = rows.pivot_table(index="chain", columns="step", values="seconds", aggfunc="sum", fill_value=0.0)
    order = [*timetable.steps_of(rows), *(step for step in ("commit", "track") if step in wide.columns)]
    return wide[order].reset_index().to_dict("records")

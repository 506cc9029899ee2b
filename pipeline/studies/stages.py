"""A study's DVC pipeline, rendered from its axes: a stage for each point, and one for the page.

It is there only while the study is worked on: DVC reads every recipe that it finds, and a plain `dvc status` or `dvc repro` is
about the experiment. What is recorded of a study, its dvc.lock, stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.code import CODE
from pipeline.extensions import files
from pipeline.files import write_text
from pipeline.layout import PRESETS, RECIPE
from pipeline.ownership import owner
from pipeline.recipes import PYTHON
from pipeline.studies.study import FOLDER, Study

OWN_CODE = ("pipeline/studies/study.py", "pipeline/measures/theory.py")
"""What decides a point's rows, beside the code of generations and the study's kind."""
MORE_CODE = {"control": ("pipeline/studies/attribute.py",)}
"""And beside these, for some kinds."""
PAGE_CODE = (
    "pipeline/measures/intervals.py",
    "pipeline/reporting/figures.py",
    "pipeline/reporting/numerals.py",
    "pipeline/reporting/report.py",
    "pipeline/studies/optimum.py",
    "pipeline/studies/page.html",
    "pipeline/studies/page.py",
)
"""What decides the page, beside the study's kind."""


def recipe(study: Study) -> str:
    """The text of `studies/NAME/dvc.yaml`."""
    folder, kind = study.folder, study.file.kind
    axes = "".join(f"      {axis}: ${{axes.{axis}}}\n" for axis in study.file.axes)
    values = " ".join(f"${{item.{axis}}}" for axis in study.file.axes)
    name = "-".join(f"${{item.{axis}}}" for axis in study.file.axes)
    extensions = map(str, files(study.params(0).extensions or []))
    own = [*OWN_CODE, *MORE_CODE.get(kind, ()), f"pipeline/studies/{kind}.py", f"{PRESETS}/{study.file.preset}.yaml"]
    code = sorted([*CODE, *own, *extensions])
    deps = "".join(f"    - {path}\n" for path in code)
    shown = "".join(f"    - {path}\n" for path in sorted([*PAGE_CODE, f"pipeline/studies/{kind}.py"]))
    read = "".join(
        f"      - {name}\n" for name in ("changes", "kind", "preset", "settings") if name in study.file.model_fields_set
    )
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"stages:\n  point:\n    matrix:\n{axes}    wdir: ../..\n    cmd: {PYTHON} -m pipeline point {study.name} {values}\n"
        f"    deps:\n{deps}    params:\n    - {folder}/params.yaml:\n"
        f"{read}"
        f"    outs:\n    - {folder}/points/{name}.json\n"
        f"  page:\n    wdir: ../..\n    cmd: {PYTHON} -m pipeline study-page {study.name}\n"
        f"    deps:\n    - {folder}/points\n{shown}"
        f"    params:\n    - {folder}/params.yaml:\n{read}"
        f"    outs:\n    - reports/studies/{study.name}/points.csv\n    - reports/studies/{study.name}/figure.png\n"
    )


@contextmanager
def rendered(study: Study) -> Iterator[None]:
    """The study's recipe is there while the block lasts."""
    render(study)
    try:
        yield
    finally:
        (study.folder / RECIPE).unlink(missing_ok=True)


def sweep() -> None:
    """Remove the recipes of studies that nobody works on: those of runs that were killed, or written by `study --recipe`."""
    for path in FOLDER.glob(f"*/{RECIPE}"):
        if owner(path.parent) is None:
            path.unlink(missing_ok=True)


def render(study: Study) -> None:
    """Write the study's recipe where it differs."""
    path, text = study.folder / RECIPE, recipe(study)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)

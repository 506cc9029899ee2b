"""A study's DVC pipeline, rendered from its axes: a stage for each point, and one for the page.

It is there only while the study is worked on: DVC reads every recipe that it finds, and a plain `dvc status` or `dvc repro` is
about the experiment. What is recorded of a study, its dvc.lock, stays.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pipeline.experiment.chains import chains
from pipeline.experiment.extensions import extension_of, files
from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.mapping import read_mapping
from pipeline.recipes.stages import GENERATION_CODE, JUDGING_CODE, PYTHON
from pipeline.recipes.uses import files_of, of_generation, of_judging
from pipeline.storage.files import write_text
from pipeline.storage.layout import PARAMS, RECIPE
from pipeline.studies.bench.axes import named
from pipeline.studies.bench.study import Study

STUDIES_ROOM = "pipeline/studies"
POINT_CODE = (*GENERATION_CODE, *JUDGING_CODE, "pipeline/analysis", f"{STUDIES_ROOM}/bench")
"""What decides a point's rows, beside the kinds that its params name and its study's own."""
PAGE_CODE = "pipeline/analysis", f"{STUDIES_ROOM}/page", "pipeline/views/report"
"""What decides the page, beside the study's kind."""


def recipe(study: Study) -> str:
    """The text of `studies/NAME/dvc.yaml`."""
    folder, own = study.folder, _own(study)
    places = {named(at): at for at in ({axis: at[axis] for axis in at if axis != "seed"} for at in study.points)}
    kinds, mine = list[str](), list[str]()
    for params in [study.params_at(at) for at in places.values()] if study.free else [study.params(0)]:
        uses = [use for chain in chains(params) for use in of_generation(params, chain)]
        kinds += [path for path in files_of(params, [*uses, *of_judging(params)]) if not path.startswith("runs/")]
        mine += map(str, files(params.extensions or []))
        kinds += params.checkpoints
    made = [*POINT_CODE, *kinds, *mine, own.format("points"), str(study.preset)]
    shown = [*PAGE_CODE, own.format("pages"), *mine]
    matrix, values, name = _matrix(study)
    given: list[str] = [name for name in ("changes", "kind", "preset", "settings") if name in study.file.model_fields_set]
    return (
        "# rendered from params.yaml; changes here are overwritten\n"
        f"stages:\n  point:\n    matrix:\n{matrix}    wdir: ../..\n    cmd: {PYTHON} -m pipeline point {study.name} {values}\n"
        f"    deps:\n{_lines(made)}    params:\n    - {folder}/params.yaml:\n"
        f"{_keys(_read_by_points(study, given))}"
        f"    outs:\n    - {folder}/points/{name}.json\n"
        f"  page:\n    wdir: ../..\n    cmd: {PYTHON} -m pipeline study-page {study.name}\n"
        f"    deps:\n    - {folder}/points\n{_lines(shown)}"
        f"    params:\n    - {folder}/params.yaml:\n{_keys(given)}"
        f"    outs:\n    - reports/studies/{study.name}/points.csv\n    - reports/studies/{study.name}/figure.png\n"
    )


def _matrix(study: Study) -> tuple[str, str, str]:
    """The axes as DVC's matrix has them, the point that a command is given, and its name.

    DVC knows no dotted names of axes, and no names for values that are sections: there the axis is that of the points' names.
    """
    if study.free:
        names = "".join(f"      - {json.dumps(study.key(at))}\n" for at in study.points)
        return f"      point:\n{names}", "${item.point}", "${item.point}"
    listed = read_mapping(study.folder / PARAMS)["axes"]
    lines = [
        f"      {axis}: {f'${{axes.{axis}}}' if isinstance(listed[axis], list) else json.dumps(values)}\n"
        for axis, values in study.file.axes.items()
    ]
    items = [f"${{item.{axis}}}" for axis in study.file.axes]
    return "".join(lines), " ".join(items), "-".join(items)


def _read_by_points(study: Study, given: list[str]) -> list[str]:
    """The keys of the study's file that points depend on."""
    of_page = STUDIES[study.file.kind].page_settings
    if not of_page:
        return given
    settings = [f"settings.{key}" for key in study.file.settings if key not in of_page]
    return [*(key for key in given if key != "settings"), *settings]


def _keys(names: list[str]) -> str:
    return "".join(f"      - {name}\n" for name in names)


def _own(study: Study) -> str:
    """Where the study's own code lies: in two folders, for points and for pages, or in a file of the user's."""
    module = STUDIES.module(study.file.kind)
    if extension := extension_of(module):
        return str(files([extension])[0])
    return f"{STUDIES_ROOM}/{{}}/{module.rpartition('.')[2]}"


def _lines(paths: Iterable[str]) -> str:
    return "".join(f"    - {path}\n" for path in sorted(set(paths)))


@contextmanager
def rendered(study: Study) -> Iterator[None]:
    """The study's recipe is there while the block lasts."""
    render(study)
    try:
        yield
    finally:
        (study.folder / RECIPE).unlink(missing_ok=True)


def render(study: Study) -> None:
    """Write the study's recipe where it differs."""
    path, text = study.folder / RECIPE, recipe(study)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)

"""What is compared: an experiment's results, params, verdicts and samples, found by a name and read without a checkout."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML, YAMLError

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, in_a_line
from pipeline.experiment.mapping import read_mapping
from pipeline.judging.evaluation import COMPARED
from pipeline.records.revisions import branches, commit_of, experiments, file_of, locked, outputs_of
from pipeline.storage.layout import LOCK, PARAMS, Layout
from pipeline.views.report.provenance import RESULTS, noted_params
from pipeline.views.report.results import LEADING

SUMMARY, SAMPLES = "summary.json", "samples.png"
ALL_OF_THEM = "*/" + RESULTS
NAMED = 12
"""At most so many names are said of what there is."""
Read = Callable[[str], bytes | None]
"""The content of a file beside the results, by its name."""


@dataclass(frozen=True)
class Side:
    """An experiment's results, and what goes with them.

    Attributes:
        given: what it was asked for by.
        label: what it is called on the page.
        params: as they are in its params.yaml; its extensions are not run.
        results: a row a generation, as in collapse.csv.
        verdicts: an arm's verdict, fid (of the end), factor, growth and slope, as in summary.json.
        samples: PNG of samples of each arm over the generations, where there is one.
    """

    given: str
    label: str
    params: dict[str, Any]
    results: pd.DataFrame
    verdicts: dict[str, dict[str, Any]]
    samples: bytes | None


def sides_of(names: Sequence[str]) -> list[Side]:
    """What the names stand for, with labels that differ. Raises BadInput, with what there is, for a name of nothing."""
    if len(names) < 2:
        raise BadInput(f"compare: {' '.join(names)!r} is not enough: two or more are compared")
    found = [side_of(name) for name in names]
    labels = [side.label for side in found]
    found = [replace(side, label=side.given) if labels.count(side.label) > 1 else side for side in found]
    for side in found:
        if [other.label for other in found].count(side.label) > 1:
            raise BadInput(f"compare: {side.label!r} is given twice")
    return found


def side_of(name: str) -> Side:
    """An experiment of this project, a folder with results, a DVC experiment, or a git revision, whichever is found first."""
    mine = Layout(name)
    if name and name == Path(name).name and (mine.reports / RESULTS).is_file():
        return _in_folder(name, name, mine.reports, Path())
    why = f"{name!r} is nothing with results"
    if Path(name).is_dir():
        folder, why = _results_in(Path(name))
        if folder is not None:
            return _in_folder(name, Path(name).resolve().name, folder, folder.parent.parent)
    if commit := commit_of(name):
        return _in_git(name, commit)
    if name and name == Path(name).name and mine.runs.is_dir():
        why = f"{name!r} has no {mine.reports / RESULTS} yet (self-consuming report)"
    raise BadInput(f"compare: {why}; there are {_there()}")


def _results_in(folder: Path) -> tuple[Path | None, str]:
    """Where in a folder the results are: in itself, or in the project's reports; and, where nowhere, what was looked for."""
    if (folder / RESULTS).is_file():
        return folder, ""
    has = sorted(path.parent for path in (folder / "reports").glob(ALL_OF_THEM))
    if (folder / PARAMS).is_file():
        own = folder / Layout(str(read_mapping(folder / PARAMS).get("experiment"))).reports
        if own in has:
            return own, ""
        looked = f"{folder} has no {own.relative_to(folder) / RESULTS} (self-consuming report)"
    elif len(has) == 1:
        return has[0], ""
    else:
        looked = f"{folder} has neither {RESULTS} nor {PARAMS}"
    return None, looked + (f", but {_listed([str(path) for path in has])}" if has else "")


def _in_folder(name: str, label: str, folder: Path, root: Path) -> Side:
    """Results in a folder, whose params lie beside them, or are today's of the project `root`, where they are the same."""
    params = noted_params(folder)
    if params is None and (root / PARAMS).is_file():
        today = read_mapping(root / PARAMS)
        mine = today.get("experiment") == folder.resolve().name
        params = as_made(today, lambda path: _content(root / path)) if mine else None
    if params is None:
        raise BadInput(f"compare: {name!r} has results but no params: looked for {folder / PARAMS} and {root / PARAMS}")
    return _side(name, label, params, lambda file: _content(folder / file))


def _in_git(name: str, commit: str) -> Side:
    """Results that a commit's dvc.lock names, from DVC's cache or remote."""
    from pipeline.records.repository import Versions

    try:
        params = YAML(typ="safe", pure=True).load(file_of(commit, PARAMS) or b"")
    except YAMLError as error:
        raise BadInput(f"compare: {name!r}: its {PARAMS} cannot be read: {in_a_line(error)}") from None
    if not isinstance(params, dict) or "experiment" not in params:
        raise BadInput(f"compare: {name!r}: the commit {commit[:7]} has no {PARAMS} with an experiment")
    reports, recorded = Layout(str(params["experiment"])).reports, outputs_of(commit, "report")
    if reports / RESULTS not in recorded:
        raise BadInput(
            f"compare: {name!r}: dvc.lock of the commit {commit[:7]} has no {reports / RESULTS} (after a run, commit it)"
        )
    versions = Versions(shared=True)

    def read(file: str) -> bytes | None:
        md5 = recorded.get(reports / file)
        return versions.content(md5, params.get("remote")) if md5 else None

    return _side(name, name, as_made(params, partial(file_of, commit)), read)


def as_made(params: dict[str, Any], read: Callable[[str], bytes | None]) -> dict[str, Any]:
    """The params with the values that the locks of each arm's first generation have, where params.yaml has changed since."""
    layout, made = Layout(str(params["experiment"])), deepcopy(params)
    arms = params.get("arms")
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        seeds = (arm if isinstance(arm, dict) else {}).get("seeds") or params.get("seeds") or [0]
        stages = locked(read(str(layout.generation(Chain(name, seeds[0]), 1) / LOCK)) or b"")
        for key, value in ((key, value) for stage in stages.values() for key, value in _params_of(stage) if value is not None):
            *above, last = key.split(".")
            section = made
            for part in above:
                section = section.setdefault(part, {})
            section[last] = value
    return made


def _params_of(stage: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    found: dict[str, Any] = stage.get("params", {}).get(PARAMS, {})
    return found.items()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _side(name: str, label: str, params: dict[str, Any], read: Read) -> Side:
    content = read(RESULTS)
    if content is None:
        raise BadInput(f"compare: {name!r}: its {RESULTS} is neither in DVC's cache nor in its remote")
    try:
        results = pd.read_csv(BytesIO(content), keep_default_na=True)
        verdicts = json.loads(read(SUMMARY) or b"{}")
    except ValueError as error:  # pandas' own are such ones, too
        raise BadInput(f"compare: {name!r}: its results cannot be read: {in_a_line(error)}") from None
    if missing := [column for column in LEADING if column not in results]:
        raise BadInput(f"compare: {name!r}: its {RESULTS} has no column {', '.join(missing)}")
    texts = {key: results[key].fillna("").astype(str) for key in COMPARED if key in results}
    return Side(name, label, params, results.assign(**texts), verdicts, read(SAMPLES))


def _there() -> str:
    """What may be named, in words."""
    mine = sorted(path.parent.name for path in Path("reports").glob(ALL_OF_THEM))
    kinds = {"experiments here": mine, "DVC experiments": sorted(experiments()), "git revisions": branches()}
    told = [f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    return "; ".join([*told, "and folders with " + os.path.join("reports", ALL_OF_THEM)])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

"""A study: a file that says which points there are, and a function that makes one of them.

`studies/NAME/params.yaml` names a preset of the loop, changes some of its values, and gives the axes: every combination of
their values is a point. A point is made in an empty folder of its own and gives rows of numbers, so points can be made in any
order, side by side, and again.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from models.diffusion.denoiser import Denoise
from pipeline.experiment import machine
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.extensions import extend, inputs_of, said_of
from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.mapping import read_mapping
from pipeline.experiment.params import Params, parse
from pipeline.experiment.patterns import PRESET
from pipeline.experiment.sections import Section, Seed
from pipeline.generation import steps
from pipeline.generation.job import Job, draw
from pipeline.judging.evaluation import COMPARED, fid
from pipeline.making.shared import make_shared
from pipeline.storage.files import read_json, write_json
from pipeline.storage.layout import PARAMS, PRESETS, STUDY_FOLDER, Layout
from pipeline.studies.bench.axes import expanded, named, part, words
from pipeline.studies.bench.kept import seconds_of
from pipeline.studies.bench.keys import change

log = logging.getLogger("self-consuming")
PLAIN = "plain"
"""An arm that every study's params have."""
Values = Annotated[list[JsonValue], Field(min_length=1), BeforeValidator(expanded)]
Row = dict[str, Any]


class StudyFile(Section):
    """`studies/NAME/params.yaml`.

    Attributes:
        kind: the study's function, a name in `pipeline.experiment.kinds.STUDIES`.
        preset: the loop's preset that the study starts from: a name of `presets`, or a file that ends with .yaml.
        changes: values of it that are others here, by their dotted keys.
        axes: the values of each axis, listed or as a range; a point is one of each, in this order.
        settings: what else the study's function reads.
    """

    kind: str
    preset: Annotated[str, Field(pattern=PRESET)]
    changes: dict[str, Any] = Field(default_factory=dict)
    axes: Annotated[dict[str, Values], Field(min_length=1)]
    settings: dict[str, Any] = Field(default_factory=dict)


Point = Callable[["Bench"], list[Row]]
"""Makes one point: rows of numbers."""


@dataclass(frozen=True)
class Bench:
    """A point at work: its params, the settings of its kind, its place on the axes, and a folder that outlives a kill."""

    params: Params
    settings: Any
    at: dict[str, Any]
    kept: Path | None = None

    @property
    def seed(self) -> Seed:
        """The seed of everything that this point draws and trains."""
        return int(self.at.get("seed", 0))

    def job(self, generation: int) -> Job:
        """A generation's job in the point's folder, of an arm with nothing special."""
        work = Path(f"g{generation}")
        work.mkdir(exist_ok=True)
        return Job(self.params, Chain(PLAIN, self.seed), generation, work)

    def base(self) -> Job:
        """The job of generation 1, with the base model in its folder."""
        job = self.job(1)
        steps.train_base(self.params, self.seed, job.work)
        return job


class Summary(NamedTuple):
    """What a study's rows say: a sentence with the figures, and tables by their titles."""

    text: str
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """A study's name and file, with the params that its points start from. Raises BadInput."""

    name: str
    file: StudyFile

    @property
    def folder(self) -> Path:
        """Where its params, recipe and points lie."""
        return STUDY_FOLDER / self.name

    @property
    def preset(self) -> Path:
        """The file of the loop's preset."""
        name = self.file.preset
        return Path(name) if name.endswith(".yaml") else Path(PRESETS) / f"{name}.yaml"

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every point, as axis -> value, in the order in which they are made."""
        return [dict(zip(self.file.axes, values)) for values in product(*self.file.axes.values())]

    @property
    def free(self) -> bool:
        """Whether its axes are keys of params.yaml, whichever the user wants, since its kind names none."""
        return self.file.kind in STUDIES and STUDIES[self.file.kind].axes is None

    def key(self, at: dict[str, Any]) -> str:
        """A point's name: what DVC and its file are called, too."""
        return named(at) if self.free else "-".join(map(part, at.values()))

    def path(self, at: dict[str, Any]) -> Path:
        """The file with a point's rows."""
        return self.folder / "points" / f"{self.key(at)}.json"

    def kept(self, at: dict[str, Any]) -> Path:
        """The folder with what a point keeps while it is made, and its times."""
        return self.folder / "kept" / self.key(at)

    def params_at(self, at: dict[str, Any]) -> Params:
        """The params of a point; seed 0 where the study has no such axis. Raises BadInput, which names the place."""
        values = {axis: value for axis, value in at.items() if axis != "seed"} if self.free else {}
        try:
            return self.params(int(at.get("seed", 0)), values)
        except BadInput as error:
            if not values:
                raise
            place = ", ".join(f"{axis} = {words(value)}" for axis, value in values.items())
            raise BadInput(f"{self.folder / PARAMS}: axes: at {place}: {self.without_source(error)}") from None

    def params(self, seed: int, values: dict[str, Any] | None = None) -> Params:
        """The preset with the study's changes, and with other values at dotted keys on top, for one seed."""
        preset = self.preset
        raw = read_mapping(preset)
        for name, value in self.file.changes.items():
            try:
                change(raw, name, value, preset)
            except BadInput as error:
                raise BadInput(f"{self.folder / PARAMS}: changes.{error}") from None
        for name, value in (values or {}).items():
            change(raw, name, value, preset)
        extend(raw.get("extensions"), Path())
        raw["seeds"] = [seed]
        for name, arm in raw["arms"].items():
            if not isinstance(arm, dict):
                raise BadInput(f"{self.folder / PARAMS}: changes.arms.{name}: {arm!r} is not allowed: it must be an arm")
            arm.pop("seeds", None)
        raw["arms"][PLAIN] = {"loop": "augmentation", "strategy": "standard"}
        return parse(raw, self._source)

    @property
    def _source(self) -> str:
        """Where its params come from, in words."""
        return f"{self.folder / PARAMS} and {self.preset}"

    def without_source(self, error: BadInput) -> str:
        """What is wrong with params, without the words on where they come from."""
        return str(error).removeprefix(f"{self._source}: ").removeprefix(f"{self.folder / PARAMS}: ")

    def results(self) -> pd.DataFrame:
        """The rows of all points that are there, with a column for each axis; the frame's attribute `axes` names these."""
        made = [(at, self.path(at)) for at in self.points if self.path(at).exists()]
        frame = pd.DataFrame([at | row for at, path in made for row in read_json(path)])
        kept = [key for key in COMPARED if key in frame]
        alike = (frame[kept] == frame[kept].iloc[-1]).all(axis=1) if kept and len(frame) else pd.Series(True, index=frame.index)
        if not alike.all():
            said = ", ".join(f"{key} {frame[key].iloc[-1]}" for key in kept)
            log.warning("%s: %d rows are left out: they were not judged by %s", self.name, (~alike).sum(), said)
        found = frame[alike]
        found.attrs["axes"] = list(self.file.axes)
        found.attrs["seconds"] = {self.key(at): seconds_of(self.kept(at)) for at in self.points}
        return found


def load_study(name: str) -> Study:
    """Read a study's file. Raises BadInput."""
    there = sorted(path.parent.name for path in STUDY_FOLDER.glob(f"*/{PARAMS}"))
    if name not in there:
        raise BadInput(f"study: {name!r} is not allowed: one of {', '.join(there)}")
    path = STUDY_FOLDER / name / PARAMS
    try:
        study = Study(name, StudyFile.model_validate(read_mapping(path)))
    except ValidationError as error:
        raise wrong(path, error, keys=StudyFile.model_fields) from None
    study.params(0)
    return study


def wrong(path: Path, error: ValidationError, section: str = "", keys: Iterable[str] = ()) -> BadInput:
    """What a study's file has wrong, in one line; `keys` are those that the section may have."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        return BadInput(f"{path}: {section}{where}: unknown key (value {first['input']!r}); allowed are {', '.join(keys)}")
    said = str(first["msg"]).removeprefix("Value error, ")
    return BadInput(f"{path}: {section}{where}: {first['input']!r} is not allowed: {said}")


def make_point(study: Study, point: Point, settings: Any, at: dict[str, Any]) -> None:
    """Make a point in an empty folder and write its rows, whole or not at all.

    Every row has the real-versus-real floor, where the point does not give it one of its own, and what it was judged by.
    """
    params = study.params_at(at)
    machine.fix(params)
    kept = (Path.cwd() / study.kept(at)).absolute()
    with _elsewhere([*_read_by(params), *(path for each in params.extensions or [] for path in inputs_of(each))]):
        make_shared(params)
        facts = read_json(Layout(params.experiment).facts)
        floor = {name: facts[name] for name in ("floor", "floor_n", *COMPARED)}
        with said_of(f"{study.name} {study.key(at)}"):
            rows = [floor | row for row in point(Bench(params, settings, at, kept))]
    write_json(study.path(at), rows)


def guided_fid(job: Job, denoise: Denoise, stream: str = "synthetic", n: int | None = None) -> float | None:
    """The FID of n of a generation's guided samples; None, for JSON knows no infinity, where the trajectories diverge."""
    try:
        samples = draw(job, denoise, stream, n or job.params.evaluation.n).values
    except FloatingPointError:
        return None
    return fid(job.params, samples)


def diverged_as_infinite(results: pd.DataFrame) -> pd.DataFrame:
    """Rows whose FID is infinite where the trajectories diverged."""
    return results.assign(fid=results["fid"].astype(float).fillna(np.inf))


def _read_by(params: Params) -> list[Path]:
    """The files that a point reads beside the user's own code: images, base model, the extractor's."""
    return [Path(path) for path in (*params.checkpoints, *params.data.files, *params.evaluation.extractor.reads)]


@contextmanager
def _elsewhere(inputs: Iterable[Path]) -> Iterator[None]:
    """Work in a temporary folder that is empty but for links to what a point reads."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="self-consuming-") as folder:
        for path in inputs:
            if not (path.is_absolute() or ".." in path.parts):
                link = Path(folder) / path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(home / path)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(home)

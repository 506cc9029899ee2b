"""A study with another preset of the loop: a study of its own, with a file of its own."""

import re
from pathlib import Path

from pipeline.experiment.errors import BadInput
from pipeline.storage.files import write_text
from pipeline.storage.layout import PARAMS, PRESETS, STUDY_FOLDER
from pipeline.studies.bench.study import load_study
from pipeline.studies.kind import kind_of


def variant(name: str, preset: str | None) -> str:
    """The study's name with another preset; its file is made where there is none. Raises BadInput."""
    study = load_study(name)
    if preset is None or preset == study.file.preset:
        return name
    there = sorted(path.stem for path in Path(PRESETS).glob("*.yaml"))
    if preset not in there:
        raise BadInput(f"preset: {preset!r} is not allowed: one of {', '.join(there)}")
    other = f"{name}-{preset}"
    path = STUDY_FOLDER / other / PARAMS
    if path.exists():
        return other
    text = (study.folder / PARAMS).read_text(encoding="utf-8")
    write_text(path, re.sub(r"^preset: \S+", f"preset: {preset}", text, count=1, flags=re.M))
    try:
        kind_of(load_study(other))
    except BadInput:
        path.unlink()
        path.parent.rmdir()
        raise
    return other

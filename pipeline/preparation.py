"""What all chains of an experiment need before they start: the data, their seeds' base models and the recipes, recorded."""

from pathlib import Path

from pipeline.chains import Chain
from pipeline.code import write_listing
from pipeline.errors import Broken
from pipeline.generation import make_base, make_data
from pipeline.layout import BASE, LOSSES, Layout
from pipeline.measures.evaluation import data_files
from pipeline.ownership import owned
from pipeline.params import Params
from pipeline.recipes import PLANNED, render
from pipeline.remote import Remote
from pipeline.versioning import Versions

_broken: dict[tuple[str, int], str] = {}
"""Why a base model could not be made, by the params' fingerprint and the seed: this process does not try it again."""


def prepare(versions: Versions, params: Params, wanted: dict[Chain, int]) -> dict[int, str]:
    """Make what is not current of data, base models and recipes; with a remote, bring first what it has.

    Gives, by seed, why a base model could not be made: the chains of other seeds go on without it. Raises BadInput for a remote
    that is not there.
    """
    failures, layout = {}, Layout(params.experiment)
    with owned(layout.runs, wait=True):
        Remote(versions, params).pull(wanted)
        if not versions.stage_is_current("code"):
            with versions.recording("code"):
                write_listing(layout)
        if not versions.stage_is_current("data") or not _are_there(data_files(params)):
            make_data(params, versions.recording("data"))
        for seed in dict.fromkeys(chain.seed for chain in wanted):
            this, stage = (params.fingerprint, seed), f"base@{seed}"
            complete = _are_there([layout.base(seed) / name for name in (BASE, LOSSES)])
            if this not in _broken and not (versions.stage_is_current(stage) and complete):
                try:
                    make_base(params, seed, versions.recording(stage))
                except Broken as error:
                    _broken[this] = str(error)
            if this in _broken:
                failures[seed] = _broken[this]
        with versions.held():
            render(params, wanted)
            for stage in PLANNED:
                if not versions.stage_is_current(stage):
                    versions.commit(stage)
    return failures


def _are_there(files: list[Path]) -> bool:
    """Whether a folder is complete: DVC itself knows but whether it is the one that was recorded."""
    return all(path.exists() for path in files)

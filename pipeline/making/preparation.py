"""What all chains of an experiment need before they start: recipes, data, what judges, base models; made and recorded."""

from collections.abc import Callable
from functools import partial

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import Broken
from pipeline.experiment.extensions import said_of
from pipeline.experiment.params import Params
from pipeline.making.failures import note_failure
from pipeline.making.judgement import judge_real
from pipeline.making.renewal import renew_parts
from pipeline.making.room import check_room
from pipeline.making.shared import make_extractor, make_points, make_set
from pipeline.making.transactions import make_base
from pipeline.recipes import stages
from pipeline.recipes.rendering import PLANNED, render
from pipeline.records.remote import Remote
from pipeline.records.repository import Versions
from pipeline.storage.files import Recording
from pipeline.storage.layout import Layout
from pipeline.storage.ownership import owned

_broken: dict[tuple[str, int], str] = {}
"""Why a base model could not be made, by the params' fingerprint and the seed: this process does not try it again."""
_fitting = set[tuple[str, tuple[tuple[Chain, int], ...]]]()
"""Params and wanted chains of which it was said what they take: a run prepares while its server starts, and in its flow."""


def prepare(versions: Versions, params: Params, wanted: dict[Chain, int]) -> dict[int, str]:
    """Make what is not current of recipes, data, extractor, floor and base models; with a remote, bring first what it has.

    Gives, by seed, why a base model could not be made: the chains of other seeds go on without it. Raises BadInput for a remote
    that is not there, and Broken, which is noted for every chain, where data or what judges cannot be made.
    """
    layout = Layout(params.experiment)
    with owned(layout.runs, wait=True):
        with versions.held():
            render(params, wanted)
        for planned in PLANNED:
            if not versions.stage_is_current(planned):
                versions.commit(planned)
        Remote(versions, params).pull(wanted)
        renew_parts(versions, params)
        try:
            return _make(versions, params, wanted)
        except Broken as error:
            for chain in wanted:
                note_failure(params, chain, str(error))
            raise


def _make(versions: Versions, params: Params, wanted: dict[Chain, int]) -> dict[int, str]:
    """What all chains share, as far as it is not current; before models are trained it is checked that all has room."""
    seeds = list(dict.fromkeys(chain.seed for chain in wanted))
    failures, recipe, needed = {}, Layout(params.experiment).recipe, stages.shared(params)

    def make(name: str, act: Callable[[Recording], None]) -> None:
        target = f"{recipe}:{name}"
        if name in needed and not versions.stage_is_current(target):
            act(versions.recording(target))

    for seed in seeds:
        make(stages.points(seed), partial(make_points, params, seed))
    make(stages.SET, partial(make_set, params))
    make(stages.EXTRACTOR, partial(make_extractor, params))
    make(stages.JUDGED, partial(judge_real, params))
    if (asked := (params.fingerprint, tuple(wanted.items()))) not in _fitting:
        with said_of("a first step of training, which tells how long all takes"):
            check_room(versions, params, wanted)
        _fitting.add(asked)
    for seed in seeds:
        this = params.fingerprint, seed
        try:
            if this not in _broken:
                make(stages.base(seed), partial(make_base, params, seed))
        except Broken as error:
            _broken[this] = str(error)
        if this in _broken:
            failures[seed] = _broken[this]
    return failures

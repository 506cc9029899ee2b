"""What all chains of an experiment need before they start: the data, their seeds' base models and the recipes, recorded."""

from pipeline.chains import Chain
from pipeline.code import write_listing
from pipeline.errors import RunFailed
from pipeline.generation import make_base, make_data
from pipeline.layout import Layout
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
    failures = {}
    with owned(Layout(params.experiment).runs, wait=True):
        Remote(versions, params).pull(wanted)
        if not versions.stage_is_current("code"):
            write_listing(Layout(params.experiment))
            versions.commit("code")
        if not versions.stage_is_current("data"):
            make_data(params)
            versions.commit("data")
        for seed in dict.fromkeys(chain.seed for chain in wanted):
            this = params.fingerprint, seed
            if this not in _broken and not versions.stage_is_current(f"base@{seed}"):
                try:
                    make_base(params, seed)
                except RunFailed as error:
                    _broken[this] = str(error)
                else:
                    versions.commit(f"base@{seed}")
            if this in _broken:
                failures[seed] = _broken[this]
        render(params, wanted)
        for stage in PLANNED:
            if not versions.stage_is_current(stage):
                versions.commit(stage)
    return failures

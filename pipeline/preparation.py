"""What all chains of an experiment need before they start: the data and every seed's base model, made and recorded."""

from pipeline.generation import make_base, make_data
from pipeline.layout import Layout
from pipeline.machine import device_of
from pipeline.ownership import owned
from pipeline.params import Params
from pipeline.remote import Remote
from pipeline.versioning import Versions


def prepare(versions: Versions, params: Params) -> None:
    """Make the real data and every seed's base model where they are not current; with a remote, bring what it has first.

    Raises BadInput for a device or a remote that is not there.
    """
    device_of(params)
    with owned(Layout(params.experiment).runs, wait=True):
        Remote(versions, params).pull()
        if not versions.stage_is_current("data"):
            make_data(params)
            versions.commit("data")
        for seed in params.seeds:
            if not versions.stage_is_current(f"base@{seed}"):
                make_base(params, seed)
                versions.commit(f"base@{seed}")

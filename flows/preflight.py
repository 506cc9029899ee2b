"""What params.yaml asks of its surroundings, looked at before anything is started or written. Imports no Prefect."""

from flows.ray_cluster import check_cluster
from pipeline.machine import device_of
from pipeline.params import Params
from pipeline.remote import Remote
from pipeline.versioning import Versions


def check_surroundings(params: Params) -> None:
    """Raise BadInput for a device, a remote or a Ray cluster that is not there."""
    device_of(params)
    if params.remote is not None:
        Remote(Versions(params), params)
    if params.engine.kind == "ray":
        check_cluster(params)

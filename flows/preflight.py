"""What params.yaml asks of its surroundings, looked at before anything is started or written. Imports neither Prefect nor torch
where it need not: a run starts its Prefect server first."""

from pipeline.experiment.params import Params
from pipeline.generation.start import check_checkpoints
from pipeline.records.remote import Remote
from pipeline.records.repository import Versions


def check_surroundings(params: Params) -> None:
    """Raise BadInput for a device, a remote, a Ray cluster, an extractor's file or a checkpoint that is not there."""
    if params.device.startswith("cuda"):
        from pipeline.experiment.machine import device_of

        device_of(params)
    if params.engine.processes > 1:
        from pipeline.experiment.machine import check_processes

        check_processes(params)
    params.evaluation.extractor.check_files()
    check_checkpoints(params)
    if params.remote is not None:
        Remote(Versions(params), params)
    if params.engine.kind == "ray":
        from flows.pools.ray_cluster import check_cluster

        check_cluster(params)

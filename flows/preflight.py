"""What params.yaml asks of its surroundings, looked at before anything is started or written. Imports neither Prefect nor torch
where it need not: a run starts its Prefect server first."""

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params
from pipeline.generation.start import check_checkpoints
from pipeline.records.remote import Remote
from pipeline.records.repository import Versions


def check_files(params: Params) -> None:
    """Raise BadInput for files that are not there, or are others than they should be: all of them in one line."""
    checks = lambda: params.data.files, params.evaluation.extractor.check_files, lambda: check_checkpoints(params)
    wrong = list[str]()
    for check in checks:
        try:
            check()
        except BadInput as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput("; ".join(wrong))


def check_surroundings(params: Params) -> None:
    """Raise BadInput for a device, a remote, a Ray cluster, an extractor's file or a checkpoint that is not there."""
    if params.device.startswith("cuda"):
        from pipeline.experiment.machine import device_of

        device_of(params)
    if params.engine.processes > 1:
        from pipeline.experiment.machine import check_processes

        check_processes(params)
    check_files(params)
    if params.remote is not None:
        Remote(Versions(params), params)
    if params.engine.kind == "ray":
        from flows.pools.ray_cluster import check_cluster

        check_cluster(params)

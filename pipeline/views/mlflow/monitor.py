"""What the machine does meanwhile: processor, memory, disk, network, GPU, by MLflow's own monitor, where that is wished for."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.views.mlflow.store import Store, store_uri

WISHED = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
"""MLflow's own variable; its others say how often."""
MACHINE = "machine"


@contextmanager
def machine_watched(store: Store) -> Iterator[None]:
    """While the block lasts, log the machine's figures in a run below the experiment's, if MLflow's variable says so."""
    with ExitStack() as stack:
        if os.environ.get(WISHED, "").lower() in ("true", "1"):
            store.attempt(lambda: stack.enter_context(_monitored(store)))
        yield


@contextmanager
def _monitored(store: Store) -> Iterator[None]:
    key = f"{MACHINE} {os.getpid()}"  # runs of other arms may go on at the same time
    client, run = store.client, store.run(key, key, {}, store.parent)
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    client.update_run(run, status="RUNNING")  # the monitor ends with its run
    monitor = SystemMetricsMonitor(run, resume_logging=True, tracking_uri=store_uri())
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
        store.attempt(lambda: client.set_terminated(run))

"""Chains as Ray tasks, through `prefect-ray`. The nodes share the project's folder and reach the Prefect server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.settings import get_current_settings
from prefect.task_runners import TaskRunner

from flows.pools.ray_cluster import joined
from pipeline.experiment.machine import cores_of_chain
from pipeline.experiment.params import Params
from pipeline.storage.loopback import NAMES


@contextmanager
def ray_pool(root: Path, params: Params, size: int) -> Iterator[TaskRunner[Any]]:
    """The cluster that params.yaml names; Ray itself decides how many of the chains run at once. Raises BadInput."""
    from prefect_ray import RayTaskRunner
    from prefect_ray.context import remote_options

    with joined(params, _variables(root)):
        options = {
            "num_cpus": cores_of_chain(params),
            "num_gpus": params.engine.gpus_per_chain or 0.0,
            "max_retries": 0,
        }
        with RayTaskRunner() as runner, remote_options(**options):
            yield runner


def _variables(root: Path) -> dict[str, str]:
    """The environment of the tasks: where the program is, and Prefect's settings."""
    passed = {name: os.environ[name] for name in (*NAMES, "DO_NOT_TRACK") if name in os.environ}
    return passed | get_current_settings().to_environment_variables(exclude_unset=True) | {"PYTHONPATH": str(root)}

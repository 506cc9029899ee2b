"""The deployments: `self-consuming/<arm>` for every arm of params.yaml, `self-consuming/compare` for all, `study/<name>`."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from flows.server import server
from flows.server.credentials import check_credentials
from pipeline.experiment.params import load
from pipeline.storage.layout import PARAMS


def serve_forever() -> None:
    """Start a Prefect server on the configured address if none answers there, register the deployments and wait for runs."""
    params = load(Path(PARAMS))
    api = server.configured_api()
    with ExitStack() as stack:
        if not server.answers(api):
            print(f"starting a Prefect server at {api}", file=sys.stderr)
            server.wait(stack.enter_context(server.own_server(server.port_of(api))))
        check_credentials(api)
        os.environ["PREFECT_API_URL"] = api
        from prefect import serve
        from prefect.deployments.runner import RunnerDeployment

        from flows.loop import self_consuming
        from flows.study_flow import study
        from pipeline.storage.layout import STUDY_FOLDER
        from pipeline.views.mlflow.store import curves

        arms: dict[str, str | None] = {**{arm: arm for arm in params.arms}, "compare": None}
        deployments = [
            cast(RunnerDeployment, self_consuming.to_deployment(name, tags=[params.experiment, name], parameters={"arm": arm}))
            for name, arm in arms.items()
        ]
        deployments += [
            cast(RunnerDeployment, study.to_deployment(path.parent.name, tags=["study"], parameters={"name": path.parent.name}))
            for path in sorted(STUDY_FOLDER.glob(f"*/{PARAMS}"))
        ]
        print(f"pages    {api.removesuffix('/api')}", file=sys.stderr)
        print(f"curves   self-consuming ui, or {curves()}", file=sys.stderr)
        print("run      prefect deployment run self-consuming/compare --watch", file=sys.stderr)
        serve(*deployments, print_starting_message=False, limit=1)

"""`self-consuming serve` in one shell, `prefect deployment run` in another."""

import json
import os
import signal
import socket
import time
from urllib.request import Request, urlopen


def test_served_deployments_are_run_by_prefects_own_command(project):
    copy = project(edit=lambda text: text.replace("generations: 2", "generations: 1"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    served = copy.start("flows.cli", "serve", **api)
    try:
        until = time.monotonic() + 120
        assert served.stderr is not None
        for line in served.stderr:
            assert time.monotonic() < until
            if line.startswith("run "):
                break
        while not {"standard", "sims", "compare", "improvement", "control"} <= _deployments(api["PREFECT_API_URL"]):
            assert time.monotonic() < until
            time.sleep(0.2)
        watched = copy.run("prefect", "deployment", "run", "self-consuming/sims", "--watch", **api)
        assert "Completed" in watched
    finally:
        os.killpg(served.pid, signal.SIGINT)
        served.communicate(timeout=60)
    assert (copy.folder / "runs/smoke/sims/seed0/g001/dvc.lock").exists()


def _deployments(api):
    request = Request(f"{api}/deployments/filter", b"{}", {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return {deployment["name"] for deployment in json.load(answer)}

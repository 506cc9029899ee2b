"""Chains as tasks of a real Ray cluster."""

import json
import time

import psutil
import pytest

ENGINE = "engine: {workers: auto, threads: 1}"


def on_ray(address):
    return lambda text: text.replace(ENGINE, f'engine: {{kind: ray, address: "{address}", gpus_per_chain: 0, threads: 1}}')


@pytest.fixture(scope="module")
def cluster():
    """Two Ray nodes with a core each, so that two chains need both."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()


def test_chains_on_two_ray_nodes_give_the_process_engines_hashes(cluster, finished, project):
    copy = project(edit=on_ray("auto"))
    output = copy.run("flows.cli", "run", RAY_ADDRESS=cluster)
    assert "sims/seed0           generation   2/2" in output
    assert copy.locks() == finished.locks()
    chains = [copy.folder / f"runs/smoke/{arm}/seed0/owner.pid" for arm in ("standard", "sims")]
    assert len({chain.read_text() for chain in chains}) == 2


def test_a_chain_is_placed_with_its_gpus_and_made_by_as_many_processes(project):
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2, "include_dashboard": False})
    try:  # Ray takes the word for it that there are GPUs; the processes compute on the CPU
        copy = project(edit=lambda text: on_ray("auto")(text).replace("gpus_per_chain: 0", "gpus_per_chain: 2"))
        copy.edit("device: auto", "device: cpu")
        copy.run("flows.cli", "run", "--arm", "standard", "--generations", "1", RAY_ADDRESS=nodes.address)
    finally:
        nodes.shutdown()
    made = json.loads((copy.folder / "runs/smoke/standard/seed0/g001/metrics.json").read_text())
    assert made["environment"].endswith(", 2 processes")


def test_a_run_on_a_ray_of_its_own_is_stopped_within_seconds_and_leaves_no_process(project):
    copy = project(edit=lambda text: on_ray("local")(text).replace("generations: 2", "generations: 99"))
    process = copy.start("flows.cli", "run")
    for line in process.stderr:
        if "generation   2/99" in line:
            break
    assert process.poll() is None, line
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in each.name() for each in family)
    began = time.monotonic()
    process.terminate()
    said = process.communicate(timeout=30)[1]
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert psutil.wait_procs(family, timeout=5)[1] == []


@pytest.mark.parametrize(
    ("address", "gpus", "says"),
    [
        ("127.0.0.1:9", 0, "engine.address: no Ray cluster answers at '127.0.0.1:9'"),
        (None, 3, "engine.gpus_per_chain: 3 is not"),
        (None, 4, "engine.gpus_per_chain: 4 is not"),
    ],
)
def test_a_cluster_that_cannot_run_chains_is_bad_input(cluster, project, address, gpus, says):
    engine = on_ray(address or cluster)
    output = project(edit=lambda text: engine(text).replace("gpus_per_chain: 0", f"gpus_per_chain: {gpus}")).run(
        "flows.cli", "run", code=2
    )
    assert says in output
    assert "Traceback" not in output

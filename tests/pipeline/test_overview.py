"""The run in MLflow that holds an experiment's chains together."""

import json
from pathlib import Path

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import load
from pipeline.storage.layout import Layout
from pipeline.views.mlflow.chain_runs import ChainTracker, rebuild, store_of
from pipeline.views.mlflow.overview import Overview
from pipeline.views.mlflow.store import Store

SIMS = Chain("sims", 0)


def test_the_experiments_run_has_the_arms_curves_and_the_answer(store, finished_copy):
    for _ in range(2):
        rebuild(load(Path("params.yaml")))
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    for arm in ("sims", "standard"):
        history = store.client.get_metric_history(store.parent, f"fid/{arm}")
        folders = [Layout("smoke").generation(Chain(arm, 0), number) for number in (1, 2)]
        assert [point.step for point in history] == [1, 2]
        assert [point.value for point in history] == [
            json.loads((each / "metrics.json").read_text())["fid"] for each in folders
        ]
    run = store.client.get_run(store.parent)
    assert {"summary/factor/sims", "summary/slope/standard"} <= run.data.metrics.keys()
    assert run.data.tags["verdict.sims"] == "too early"
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("Too early for a verdict")
    assert (finished_copy.folder / "reports" / "smoke" / "report.html").as_uri() in note
    constant = store.client.get_run(ChainTracker(store, load(Path("params.yaml")), SIMS).run).data
    assert constant.tags["n_samples"] == "1000"
    assert {name.partition("/")[0] for name in constant.metrics} == {"fid", "quality", "diversity"}


def test_a_generation_made_anew_gives_the_experiment_a_fresh_run_with_the_same_chains_below_it(store, finished_copy):
    rebuild(load(Path("params.yaml")))
    former, children = store.parent, below(store)
    path = Layout("smoke").generation(SIMS, 2) / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fid": 0.5}))
    again = store_of(load(Path("params.yaml")))
    Overview(again, load(Path("params.yaml"))).curves()
    assert again.parent != former
    assert [point.value for point in again.client.get_metric_history(again.parent, "fid/sims")][-1] == 0.5
    assert below(again) == children


def below(store: Store) -> set[str]:
    query = f"tags.`mlflow.parentRunId` = '{store.parent}'"
    return {run.info.run_id for run in store.client.search_runs([store.experiment_id], query)}

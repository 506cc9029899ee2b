"""Sweeps: axes of any keys of params.yaml, what is refused, names of points, the best place, and the figures."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, Broken
from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.params import Params
from pipeline.studies.bench.axes import expanded
from pipeline.studies.bench.study import Study, load_study, make_point
from pipeline.studies.kind import kind_of
from pipeline.studies.pages.sweep.choice import sweep_of
from pipeline.studies.points.sweep import point as point_module
from pipeline.studies.recipe import recipe

ROOT = Path(__file__).resolve().parents[2]
SIMS = {"arms.sims.guidance": [0.5, 1.0]}
Make = Callable[..., Study]


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)

    def make(axes: dict[str, Any], settings: dict[str, Any] | None = None, **more: Any) -> Study:
        path = Path("studies/mine/params.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        YAML().dump({"kind": "sweep", "preset": "smoke", "axes": axes, "settings": settings or {}} | more, path)
        return load_study("mine")

    return make


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"from": 0.1, "to": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"from": 10, "to": 1000, "factor": 10}, [10, 100, 1000]),
        ({"from": 1, "to": 6, "step": 2}, [1, 3, 5]),
        ({"from": -1, "to": 1, "step": 1}, [-1, 0, 1]),
        ({"from": 1, "to": 1, "step": 0.5}, [1.0]),
        ([3, "a"], [3, "a"]),
    ],
)
def test_a_range_has_both_ends_and_no_rounding_and_whole_numbers_stay_whole(given: Any, values: list[Any]) -> None:
    assert expanded(given) == values
    assert [type(each) for each in expanded(given)] == [type(each) for each in values]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"from": 1, "to": 2}, "{from, to, step} or {from, to, factor}"),
        ({"from": 1, "to": 2, "step": 0}, "step must be above 0"),
        ({"from": 2, "to": 1, "step": 1}, "to is less than from"),
        ({"from": 0, "to": 1, "factor": 2}, "from above 0"),
        ({"from": 1, "to": 2, "factor": 1}, "factor above 1"),
        ({"from": 0, "to": 1, "step": 1e-9}, "more than 10000 values"),
        ({"from": "a", "to": 1, "step": 1}, "finite numbers"),
        ({"from": 0, "to": float("inf"), "step": 1}, "finite numbers"),
    ],
)
def test_a_range_that_is_none_is_refused_with_the_axis(make: Make, given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=rf"^studies/mine/params.yaml: axes.n_synthetic: .*{re.escape(words)}"):
        make({"n_synthetic": given})


@pytest.mark.parametrize(
    ("axes", "settings", "words"),
    [
        ({"train.stps": [1]}, {}, "axes.train.stps: unknown key (value 1); allowed are steps, images,"),
        ({"trian.steps": [1]}, {}, "axes.trian.steps: 1 is not allowed: trian: unknown key"),
        ({"train.steps": [10, 0]}, {}, "axes.train.steps: 0 is not allowed"),
        ({"arms.sim.guidance": [1.0]}, {}, "axes.arms.sim.guidance: there is no arm 'sim'; allowed are standard, sims"),
        ({"arms.sims.guidance": [1.0, -101.0]}, {}, "axes.arms.sims.guidance: -101.0 is not allowed"),
        ({"arms.sims.hook": [{"name": "unknown"}]}, {}, "axes.arms.sims.hook"),
        ({"n_synthetic.start": [100]}, {}, "axes.n_synthetic.start: n_synthetic in presets/smoke.yaml is no section"),
        ({"seeds": [1]}, {}, "axes.seeds: is not allowed: a point has one seed, that of the axis seed"),
        ({"arms.sims.seeds": [1]}, {}, "axes.arms.sims.seeds: is not allowed"),
        ({"evaluation.extractor": ["identity"]}, {}, "axes.evaluation.extractor: is not allowed: distances by different"),
        ({"seed": [0]}, {}, "axes: seed alone is not allowed"),
        (SIMS | {"seed": [-1]}, {}, "axes.seed.0: -1 is not allowed"),
        (SIMS | {"seed": [1, 1]}, {}, "axes.seed: 1 is not allowed: it is there twice"),
        (
            SIMS | {"arms.sims": [{"loop": "real", "strategy": "standard"}]},
            {},
            "axes.arms.sims.guidance: is not allowed beside axes.arms.sims, which it",
        ),
        (SIMS, {"arms": ["mine"]}, "settings.arms: 'mine' is not allowed: the preset with the changes has standard, sims"),
        (SIMS, {"arms": ["standard"]}, "axes.arms.sims.guidance: is not allowed: settings.arms has standard alone"),
        (SIMS, {"selection_seeds": [3]}, "settings.selection_seeds: 3 is not allowed: there is no axes.seed"),
        (SIMS | {"seed": [0]}, {"selection_seeds": [0]}, "no other seed is left to report by"),
        (SIMS, {"best": "least"}, "settings.best: 'least' is not allowed"),
        (
            SIMS,
            {"metrics": "fid"},
            "settings.metrics: unknown key (value 'fid'); allowed are arms, metric, best, selection_seeds",
        ),
    ],
)
def test_a_wrong_axis_or_setting_is_refused_in_one_line_with_file_key_and_what_is_allowed(
    make: Make, axes: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput) as error:
        kind_of(make(axes, settings))
    assert str(error.value).startswith("studies/mine/params.yaml: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_values_that_do_not_fit_together_are_found_before_any_point_is_made(make: Make) -> None:
    sampler = {"sampler.sigma_min": [0.002, 10.0], "sampler.sigma_max": [80.0, 5.0]}
    study = make(sampler)
    kind_of(study)  # each fits beside the others' first value
    with pytest.raises(BadInput, match=r"axes: at sampler.sigma_min = 10.0, sampler.sigma_max = 5.0: sampler"):
        recipe(study)


def test_a_point_has_its_places_values_in_its_params_and_a_name_that_is_a_file_name_of_its_own(make: Make) -> None:
    hooks = [{"name": "towards-real", "strength": strength} for strength in (0.1, 0.2)]
    study = make({"arms.sims.hook": hooks, "evaluation.fid_infinity": [True, False], "seed": [7]}, changes={"train.steps": 10})
    kind_of(study)
    names = [study.key(at) for at in study.points]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[\w.=+-]+", name) for name in names)
    assert [name for name in names if "evaluation.fid_infinity=false" in name] == names[1::2]
    params = study.params_at(study.points[2])
    hook = params.arms["sims"].hook
    assert (params.seeds, params.train.steps, params.evaluation.fid_infinity) == ([7], 10, True)
    assert hook is not None
    assert hook.strength == 0.2
    assert len(study.key({f"arms.sims.{'x' * 90}": 1, f"arms.sims.{'y' * 90}": 2})) <= 150


def test_another_axis_makes_other_points_and_another_value_leaves_those_that_there_are(make: Make) -> None:
    def names(axes: dict[str, Any]) -> set[str]:
        study = make(axes)
        return {study.key(at) for at in study.points}

    before = names({"n_synthetic": [100, 200]})
    assert before < names({"n_synthetic": [100, 150, 200]})
    assert not before & names({"evaluation.n": [100, 200]})


def test_the_recipe_depends_on_every_kind_that_a_point_names_and_not_on_what_the_page_alone_reads(make: Make) -> None:
    settings = {"arms": ["sims"], "metric": "kid", "selection_seeds": [1]}
    study = make({"sampler.kind": ["heun", "dpm++2m"], "seed": [0, 1]}, settings)
    content = YAML(typ="safe").load(recipe(study))["stages"]
    points, shown = content["point"], content["page"]
    assert points["matrix"] == {"point": [study.key(at) for at in study.points]}
    assert {"models/samplers/heun.py", "models/samplers/dpmpp2m.py", "pipeline/studies/points/sweep"} <= set(points["deps"])
    assert points["params"] == [{"studies/mine/params.yaml": ["kind", "preset", "settings.arms"]}]
    assert "settings" in shown["params"][0]["studies/mine/params.yaml"]


def test_other_kinds_may_have_ranges_too_and_their_recipe_has_the_values(make: Make) -> None:
    study = make({"seed": [0], "share": {"from": 0.0, "to": 1.0, "step": 0.5}}, {"guidances": [0.0]}, kind="pollution")
    kind_of(study)
    matrix = YAML(typ="safe").load(recipe(study))["stages"]["point"]["matrix"]
    assert matrix == {"seed": "${axes.seed}", "share": [0.0, 0.5, 1.0]}
    assert [study.key(at) for at in study.points] == ["0-0.0", "0-0.5", "0-1.0"]


def test_the_shipped_sweep_is_three_by_three_and_known() -> None:
    axes = YAML(typ="safe").load(ROOT / "studies/sweep/params.yaml")["axes"]
    sizes = [len(expanded(values)) for axis, values in axes.items() if axis != "seed"]
    assert sizes == [3, 3]
    assert "sweep" in STUDIES


SMALL = {"train.steps": 10, "auxiliary.steps": 10, "auxiliary.n": 100, "evaluation.n": 100, "data.n_real": 100}


def test_a_point_trains_the_wanted_arms_and_one_that_breaks_ends_no_point(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make({"arms.sims.guidance": [0.5], "n_synthetic": [100]}, changes=SMALL)
    kind, settings = kind_of(study)
    whole = point_module.make_whole

    def breaking(params: Params, chain: Chain, generation: int) -> None:
        if (chain.arm, generation) == ("standard", 2):
            raise Broken("standard/seed0 generation 2: diverged") from FloatingPointError("diverged")
        whole(params, chain, generation)

    monkeypatch.setattr(point_module, "make_whole", breaking)
    make_point(study, kind.point, settings, study.points[0])
    rows = study.results()
    assert rows[["arm", "generation"]].to_numpy().tolist() == [["standard", 1], ["standard", 2], ["sims", 1], ["sims", 2]]
    assert rows["fid"].isna().tolist() == [False, True, False, False]
    assert rows["broken"].dropna().tolist() == ["standard/seed0 generation 2: diverged"]
    assert (rows["n_synthetic"] == 100).all()
    sweep = sweep_of(settings, rows)
    assert sweep.of("standard")["value"].tolist() == [np.inf]
    assert sweep.of("sims")["value"].tolist() == [rows["fid"].iloc[-1]]
    assert len(kind.summary(settings, rows).tables) == 2


def test_a_metric_that_is_none_is_refused_before_anything_is_trained(make: Make) -> None:
    study = make({"n_synthetic": [100]}, {"metric": "fidd"}, changes=SMALL)
    kind, settings = kind_of(study)
    with pytest.raises(BadInput, match=r"settings.metric: 'fidd' is not allowed: one of .*fid, "):
        make_point(study, kind.point, settings, study.points[0])


def test_a_fault_of_the_users_own_code_is_no_result(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(params: Params, chain: Chain, generation: int) -> None:
        raise Broken("a hook: KeyError") from KeyError("x")

    study = make({"n_synthetic": [100]}, changes=SMALL)
    kind, settings = kind_of(study)
    monkeypatch.setattr(point_module, "make_whole", faulty)
    with pytest.raises(Broken, match="a hook"):
        make_point(study, kind.point, settings, study.points[0])
    assert not study.path(study.points[0]).exists()

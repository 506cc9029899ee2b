"""Every loop and strategy makes generations of its own, and what an arm says is what is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load, parse
from pipeline.generation import steps
from pipeline.generation.job import Job
from pipeline.generation.steps import training_set
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_whole
from pipeline.recipes.rendering import recipe
from pipeline.storage.files import read_array, read_json
from pipeline.storage.layout import BASE, METRICS, SYNTHETIC, Layout

PLAIN = {"loop": "augmentation", "strategy": "standard"}
Make = Callable[..., Params]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make two generations of an arm, in a folder of its own."""
    raw = load(Path("presets/smoke.yaml")).model_dump(exclude_unset=True)
    monkeypatch.chdir(tmp_path)

    def made(generations: int = 2, **keys: Any) -> Params:
        raw["train"] |= {"steps": 60}
        raw["auxiliary"] |= {"steps": 30}
        raw["evaluation"] |= {"selection": 300}
        params = parse(raw | {"arms": {"arm": PLAIN | keys}})
        make_shared(params)
        if not Layout("smoke").base(0).exists():
            make_base(params, 0)
        for generation in range(1, generations + 1):
            make_whole(params, Chain("arm", 0), generation)
        return params

    return made


def output(generation: int = 2) -> np.ndarray:
    return read_array(Layout("smoke").generation(Chain("arm", 0), generation) / SYNTHETIC)


def metrics(generation: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Layout("smoke").generation(Chain("arm", 0), generation) / METRICS)
    return found


def mixed(params: Params, generation: int) -> np.ndarray:
    return np.asarray(training_set(Job(params, Chain("arm", 0), generation, Path())))


def test_strategies_cost_what_they_say(make: Make) -> None:
    evaluations = {}
    for strategy, keys in (
        ("standard", {}),
        ("sims", {"guidance": 1.0}),
        ("neon", {"guidance": 1.0}),
        ("autoguidance", {"guidance": 1.0, "guide": {"steps": 30, "width": 16}}),
    ):
        make(1, strategy=strategy, **keys)
        evaluations[strategy] = (metrics(1)["nfe"], metrics(1)["images_seen"] // 128)
    assert evaluations == {"standard": (35, 60), "sims": (70, 90), "neon": (35, 90), "autoguidance": (70, 90)}


@pytest.mark.parametrize("strategy", ["sims", "neon"])
def test_without_guidance_remedies_are_the_base_to_the_byte(make: Make, strategy: str) -> None:
    make(1)
    plain = output(1).tobytes()
    make(1, strategy=strategy, guidance=0.0)
    assert output(1).tobytes() == plain
    make(1, strategy=strategy, guidance=1.0)
    assert output(1).tobytes() != plain


def test_guidance_auto_is_chosen_by_held_out_real_data_and_recorded(make: Make) -> None:
    params = make(1, strategy="sims", guidance="auto", candidates=[0.0, 8.0])
    assert metrics(1)["guidance"] == 0.0  # eight is far too much
    assert metrics(1)["n_selection"] == 300
    held_out = read_array(Layout("smoke").held_out(0))
    assert not set(held_out[:, 0]) & set(read_array(Layout("smoke").real(0))[:, 0])
    assert str(Layout("smoke").held_out(0)) in recipe(params, Chain("arm", 0), 1)


def test_a_loop_gets_the_samples_that_its_arm_remembers(make: Make) -> None:
    params = make(3, loop="accumulate", n_synthetic={"start": 10, "factor": 2.0})
    real = read_array(Layout("smoke").real(0))
    expected = np.concatenate([real, output(1)[:10], output(2)[:20], output(3)[:40]])
    np.testing.assert_array_equal(mixed(params, 4), expected)
    text = recipe(params, Chain("arm", 0), 4)
    assert all(f"g00{earlier}/synthetic.npy" in text for earlier in (1, 2, 3))


def test_fresh_data_are_new_in_every_generation(make: Make) -> None:
    params = make(2, loop="fresh")
    second, third = mixed(params, 2)[:500], mixed(params, 3)[:500]
    assert not set(second[:, 0]) & set(third[:, 0])
    assert not set(second[:, 0]) & set(read_array(Layout("smoke").real(0))[:, 0])


def test_training_goes_on_from_the_generation_before_where_the_arm_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []

    def watched(job: Job, denoiser: Any, *rest: Any) -> Any:
        starts.append(steps.compute.weights(denoiser))
        return steps_fit(job, denoiser, *rest)

    steps_fit = steps.fit_model
    monkeypatch.setattr(steps, "fit_model", watched)
    params = make(2, init="previous")
    former = Layout("smoke").generation(Chain("arm", 0), 1) / BASE
    assert starts[-1] == former.read_bytes()
    assert str(former) in recipe(params, Chain("arm", 0), 2)


def test_a_hook_changes_what_is_judged_and_handed_on(make: Make) -> None:
    make(1)
    plain = output(1)
    make(1, hook={"name": "keep-typical", "share": 0.25})
    assert output(1).shape == plain.shape
    assert np.trace(np.cov(output(1).T)) < 0.6 * np.trace(np.cov(plain.T))
    make(1, zeta=1.3)
    assert np.trace(np.cov(output(1).T)) < 0.9 * np.trace(np.cov(plain.T))


def test_with_a_share_a_corrector_gives_back_as_many_as_a_filter(make: Make) -> None:
    make(1)
    plain = output(1)
    make(1, hook={"name": "towards-real", "share": 0.5})
    assert output(1).shape == plain.shape


def test_an_extension_that_is_missing_or_fails_is_bad_input(tmp_path: Path) -> None:
    text = Path("presets/smoke.yaml").read_text()
    (tmp_path / "broken.py").write_text("x = 1\n\n1 / 0\n")
    (tmp_path / "typo.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "reads.py").write_text("inputs = ['gone.npz']\n")
    for name, words in (
        ("absent.py", "there is no such file"),
        ("broken.py", r"broken.py fails \(.*broken.py, line 3\): ZeroDivisionError: division by zero"),
        ("typo.py", r"typo.py fails \(.*typo.py, line 2\): SyntaxError"),
        ("reads.py", "reads.py: inputs: there is no file 'gone.npz'"),
    ):
        (tmp_path / "params.yaml").write_text(f"{text}\nextensions: [{name}]\n")
        with pytest.raises(BadInput, match=words):
            load(tmp_path / "params.yaml")

"""The loops' training sets, what generations hand on, and hooks."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.samples import Array, Labelled, Pool
from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.kinds import HOOKS, LOOPS
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.hooks import Context
from pipeline.generation.loops import Sources

ROOT = Path(__file__).resolve().parents[2]
REAL = np.arange(100.0)[:, None]
FIRST, SECOND = REAL[:40] + 1000, REAL[:60] + 2000


def mixed(loop: str, share: float | None = None, seed: int = 0) -> Array:
    rng = np.random.Generator(np.random.Philox(key=seed))
    real, first, second, fresh = (Pool([Labelled(values)]) for values in (REAL, FIRST, SECOND, REAL + 5000))
    return np.asarray(LOOPS[loop].mix(Sources(real, [first, second], lambda: fresh, rng, share)))[:, 0]


def labelled(values: Array, labels: int) -> Pool:
    return Pool([Labelled(values, np.full(len(values), labels))])


def arm(**keys: object) -> Params:
    raw = load(ROOT / "presets" / "smoke.yaml").model_dump(exclude_unset=True)
    raw["arms"] = {"arm": {"loop": "augmentation", "strategy": "standard"} | keys}
    return parse(raw)


def test_loops_mix_what_their_papers_say() -> None:
    everything = np.concatenate([REAL, FIRST, SECOND])[:, 0]
    np.testing.assert_array_equal(mixed("augmentation"), everything)
    np.testing.assert_array_equal(mixed("accumulate"), everything)
    np.testing.assert_array_equal(mixed("synthetic"), everything[100:])
    np.testing.assert_array_equal(mixed("fresh"), np.concatenate([REAL[:, 0] + 5000, everything[100:]]))
    np.testing.assert_array_equal(mixed("real"), REAL[:, 0])


def test_accumulate_subsample_is_a_fixed_size_draw_without_replacement_from_everything() -> None:
    drawn = mixed("accumulate-subsample")
    assert len(drawn) == len(REAL) == len(set(drawn))
    assert set(drawn) < set(np.concatenate([REAL, FIRST, SECOND])[:, 0])
    assert (drawn >= 1000).any()
    assert not np.array_equal(drawn, mixed("accumulate-subsample", seed=1))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_constant_share_is_exact_and_the_set_as_large_as_the_real_one(share: float) -> None:
    drawn = mixed("constant-share", share)
    assert len(set(drawn)) == len(drawn) == 100
    assert (drawn >= 1000).sum() == round(100 * share)


@pytest.mark.parametrize(("loop", "share"), [("augmentation", None), ("accumulate-subsample", None), ("constant-share", 0.4)])
def test_samples_keep_their_labels_in_every_loop(loop: str, share: float | None) -> None:
    rng = np.random.Generator(np.random.Philox(key=0))
    real, first, second = labelled(REAL, 0), labelled(FIRST, 1), labelled(SECOND, 2)
    mixed = LOOPS[loop].mix(Sources(real, [first, second], lambda: real, rng, share))
    taken = mixed.take(np.arange(len(mixed)))
    np.testing.assert_array_equal(taken.classes, taken.values[:, 0] // 1000)


def test_arms_remember_as_many_generations_as_they_say() -> None:
    assert list(remembered(arm(), Chain("arm", 0), 7)) == [6]
    assert list(remembered(arm(memory=3), Chain("arm", 0), 7)) == [4, 5, 6]
    assert list(remembered(arm(memory=3), Chain("arm", 0), 2)) == [1]
    assert list(remembered(arm(loop="accumulate"), Chain("arm", 0), 4)) == [1, 2, 3]


def test_what_a_generation_hands_on_is_a_number_or_a_rule() -> None:
    assert arm().handed_on("arm", 5) == 1000
    assert arm(n_synthetic=7).handed_on("arm", 5) == 7
    growing = arm(n_synthetic={"start": 100, "factor": 2.0, "at_most": 500})
    assert [growing.handed_on("arm", t) for t in (1, 2, 3, 4)] == [100, 200, 400, 500]
    assert arm(n_synthetic={"times_real": 0.5}).handed_on("arm", 9) == 250


def test_the_filter_keeps_the_most_typical_and_the_corrector_moves_towards_real_samples() -> None:
    rng = np.random.default_rng(0)
    real, candidates = rng.normal(size=(500, 2)), (3 * rng.normal(size=(1000, 2))).astype(np.float32)
    context = Context(real, 250, 0.5, rng)
    kept = HOOKS["keep-typical"](candidates, context).values
    assert kept.shape == (250, 2)
    assert np.linalg.norm(kept, axis=1).max() < np.quantile(np.linalg.norm(candidates, axis=1), 0.35)
    moved = HOOKS["towards-real"](candidates, context).values
    given = candidates[:250]
    to_real = np.linalg.norm(given[:, None] - real, axis=2).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(moved - given, axis=1), to_real / 2, rtol=1e-4)

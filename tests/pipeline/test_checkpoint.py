"""A checkpoint as generation 1's base: taken as it is, fine-tuned where arms say so, refused where it does not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from published_files import content, write
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file

from pipeline.analysis.theory import predicted
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.compute import fresh_denoiser
from pipeline.generation.start import check_checkpoints
from pipeline.making.shared import make_points, make_set, make_shared
from pipeline.making.transactions import make_base, make_whole
from pipeline.published.importing import import_checkpoint
from pipeline.recipes import stages
from pipeline.storage.files import read_json
from pipeline.storage.layout import AUXILIARY, BASE, LOSSES, METRICS, Layout
from pipeline.storage.weights import weights

POINTS = Path("points.safetensors")
FROM_IT = {"loop": "augmentation", "strategy": "standard", "init": "checkpoint"}
Make = Callable[..., Params]


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    """The params of preset smoke, a little shorter, with a checkpoint of its network, and with changes."""
    raw = load(ROOT / "presets/smoke.yaml").model_dump(exclude_unset=True)
    raw["train"] |= {"steps": 40}
    raw["auxiliary"] |= {"steps": 20}
    monkeypatch.chdir(tmp_path)
    POINTS.write_bytes(weights(fresh_denoiser(parse(raw), (2,), 5)))

    def changed(arms: dict[str, Any] | None = None, **keys: Any) -> Params:
        return parse(raw | {"base": {"checkpoint": str(POINTS)}, "arms": arms or {"arm": FROM_IT}} | keys)

    return changed


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    """The same for the digits, with a published network that is imported."""
    raw = load(ROOT / "presets/digits.yaml").model_dump(exclude_unset=True)
    monkeypatch.chdir(tmp_path)
    said = import_checkpoint(write(Path("net.pkl"), content("ddpmpp-grey")))
    raw["train"] |= {"steps": 3, "batch": 16}
    raw["auxiliary"] |= {"steps": 3, "batch": 16, "n": 16}
    raw["sampler"] |= {"steps": 3}
    raw["evaluation"] = {"extractor": "identity", "n": 66}
    raw |= {"n_synthetic": 16} | YAML(typ="safe").load(said)

    def changed(arms: dict[str, Any] | None = None, **keys: Any) -> Params:
        return parse(raw | {"arms": arms or {"arm": FROM_IT}} | keys)

    return changed


def made(params: Params, generations: int = 2) -> Layout:
    make_shared(params)
    make_base(params, 0)
    for arm in params.arms:
        for generation in range(1, generations + 1):
            make_whole(params, Chain(arm, 0), generation)
    return Layout(params.experiment)


def test_it_is_the_base_of_generation_1_untouched_and_untrained(points: Make) -> None:
    layout = made(points(), 1)
    first = layout.generation(Chain("arm", 0), 1)
    assert (first / BASE).read_bytes() == POINTS.read_bytes()
    assert read_json(first / LOSSES) == {}
    assert read_json(first / METRICS)["images_seen"] == 0


def test_arms_fine_tune_it_or_the_former_model_or_start_from_scratch_in_later_generations(points: Make) -> None:
    arms = {init: FROM_IT | {"init": init} for init in ("checkpoint", "previous", "scratch")}
    layout = made(points(arms), 3)

    def models(arm: str, generation: int) -> dict[str, torch.Tensor]:
        return load_file(layout.generation(Chain(arm, 0), generation) / BASE)

    def distance(arm: str, generation: int) -> float:
        start = load_file(POINTS)
        return sum(float((value - start[name]).square().sum()) for name, value in models(arm, generation).items())

    assert read_json(layout.generation(Chain("checkpoint", 0), 2) / METRICS)["images_seen"] == 40 * 128
    assert 0 < distance("checkpoint", 2) < distance("scratch", 2) / 5
    assert 0 < distance("checkpoint", 3) < distance("previous", 3)
    same = models("checkpoint", 2), models("previous", 2)
    assert all(torch.equal(value, same[1][name]) for name, value in same[0].items())  # the former model is the checkpoint


def test_the_auxiliary_is_fine_tuned_from_it(points: Make) -> None:
    sims = {"loop": "augmentation", "strategy": "sims", "guidance": 1.0, "init": "checkpoint"}
    layout = made(points({"sims": sims}), 1)
    first, start = layout.generation(Chain("sims", 0), 1), load_file(POINTS)
    moved = [(value - start[name]).abs().max() for name, value in load_file(first / AUXILIARY).items()]
    assert 0 < float(max(moved)) < 0.2
    assert read_json(first / METRICS)["images_seen"] == 20 * 128


def test_an_imported_network_samples_images_and_is_fine_tuned(images: Make) -> None:
    layout = made(images())
    first, second = (layout.generation(Chain("arm", 0), generation) for generation in (1, 2))
    assert (first / BASE).read_bytes() == Path("net.safetensors").read_bytes()
    assert (second / BASE).read_bytes() != (first / BASE).read_bytes()


def test_stages_depend_on_it_and_only_where_it_is_used(points: Make) -> None:
    params = points({"arm": FROM_IT, "other": FROM_IT | {"init": "scratch"}})
    base = stages.base_stage(params, 0)
    assert f"    - {POINTS}\n" in base
    assert "    - base\n" in base
    assert "train." not in base
    taken = str(Layout("smoke").base(0) / BASE)
    wants = {
        (arm, generation): taken in stages.generation_stage(params, Chain(arm, 0), generation)
        for arm in params.arms
        for generation in (1, 2)
    }
    assert wants == {("arm", 1): True, ("arm", 2): True, ("other", 1): True, ("other", 2): False}
    assert predicted(params, "other") is None


def test_recipes_without_one_are_what_they_were(points: Make) -> None:
    params = points({"arm": {"loop": "augmentation", "strategy": "standard"}}, base=None)
    assert "train.steps" in stages.base_stage(params, 0)
    for text in (stages.base_stage(params, 0), stages.generation_stage(params, Chain("arm", 0), 2)):
        assert "    - base\n" not in text
        assert "checkpoint" not in text


NETWORK = {"kind": "mlp", "width": 32, "depth": 2, "embedding": 16}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"base": {"checkpoint": "absent.safetensors"}}, "base.checkpoint: there is no file 'absent.safetensors'"),
        ({"base": {"checkpoint": "."}}, "base.checkpoint: there is no file '.'"),
        ({"base": {"checkpoint": "net.pkl"}}, "is no safetensors file; self-consuming import-checkpoint"),
        ({"network": NETWORK | {"width": 16}}, r"layers.0.bias has shape \[32\], the network's \[16\]"),
        ({"network": NETWORK | {"depth": 3}}, "it has no network.layers.6.weight"),
        ({"network": NETWORK | {"depth": 1}}, r"layers.2.bias has shape \[32\], the network's \[2\]"),
        ({"network": NETWORK | {"kind": "residual-mlp"}}, "does not fit network.kind residual-mlp"),
    ],
)
def test_one_of_another_network_is_refused_in_a_line_that_says_how_it_differs(points: Make, keys: Any, said: str) -> None:
    Path("net.pkl").write_bytes(b"\x80\x04N.")
    params = points(**keys)
    make_points(params, 0)
    with pytest.raises(BadInput, match=said) as raised:
        make_base(params, 0)
    assert "\n" not in str(raised.value)
    assert not Layout("smoke").base(0).exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("channels", 32, r"network.channels: 32 is not allowed: base.checkpoint net.safetensors has 16"),
        ("blocks", 2, r"network.blocks: 2 is not allowed: base.checkpoint net.safetensors has 1"),
        ("attention", [8], r"network.attention: \[8\] is not allowed: base.checkpoint net.safetensors has \[4\]"),
        ("encoder", "residual", "network.encoder: 'residual' is not allowed: base.checkpoint net.safetensors has 'standard'"),
        ("sigma_data", 0.75, "noise.sigma_data: 0.75 is not allowed: base.checkpoint net.safetensors has 0.5"),
    ],
)
def test_settings_that_an_imported_one_has_otherwise_are_named_before_anything_is_made(
    images: Make, key: str, value: Any, said: str
) -> None:
    raw = images().raw
    section = "noise" if key == "sigma_data" else "network"
    with pytest.raises(BadInput, match=said):
        check_checkpoints(images(**{section: raw[section] | {key: value}}))
    check_checkpoints(images(network=raw["network"] | {"dropout": 0.5}))  # which is for training to say


def test_data_of_another_shape_classes_or_spread_are_refused(images: Make, points: Make) -> None:
    params = images(labels="real")
    make_set(params)
    with pytest.raises(BadInput, match=r"net\.safetensors is told of none, and by labels 'real' models are told of 10 classes"):
        make_base(params, 0)
    with pytest.raises(BadInput, match=r"noise.sigma_data: 0.54\d* is not allowed: base.checkpoint net.safetensors has 0.5"):
        make_base(images(noise={"sigma_data": "auto"}), 0)
    save_file(load_file("net.safetensors"), "other.safetensors", {"shape": json.dumps([3, 32, 32])})
    with pytest.raises(BadInput, match=r"other.safetensors is for samples \[3, 32, 32\], and data.kind digits has \[1, 8, 8\]"):
        make_base(images(base={"checkpoint": "other.safetensors"}), 0)
    save_file({name: value.half() for name, value in load_file(POINTS).items()}, "half.safetensors")
    make_points(points(), 0)
    with pytest.raises(BadInput, match="is F16, not F32"):
        make_base(points(base={"checkpoint": "half.safetensors"}), 0)


@pytest.mark.parametrize("told", ["no JSON", "[1]", "[" * 100_000])
def test_strange_metadata_are_refused(points: Make, told: str) -> None:
    save_file(load_file(POINTS), "strange.safetensors", {"network": told, "noise": told})
    with pytest.raises(BadInput, match="has metadata network that are no"):
        check_checkpoints(points(base={"checkpoint": "strange.safetensors"}))


def test_arms_that_start_from_it_need_one(points: Make) -> None:
    with pytest.raises(BadInput, match=r"arms\.arm\.init: 'checkpoint' is not allowed: there is no base.checkpoint"):
        points(base=None)
    with pytest.raises(BadInput, match="unknown key"):
        points(base={"file": "x"})

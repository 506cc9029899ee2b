"""EDM2's network, decay and average, as params.yaml asks for them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from flows.cli import main
from pipeline.experiment.chains import Chain, decisive
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, parse
from pipeline.generation.compute import budget
from pipeline.making.shared import make_set
from pipeline.making.transactions import make_base, make_generation
from pipeline.recipes.stages import base_stage, generation_stage
from pipeline.storage.files import read_array
from pipeline.storage.layout import AUXILIARY, BASE, SYNTHETIC, Layout

ROOT = Path(__file__).resolve().parents[2]
CHAIN = Chain("sims", 0)
SMALL = {"kind": "edm2-unet", "channels": 8, "multipliers": [1, 2], "blocks": 1, "attention": [4], "channels_per_head": 8}
DECAY = {"schedule": "inverse-sqrt", "decay_images": 64, "ema": {"sigma_rel": 0.1}}


def digits(**changes: Any) -> Params:
    """The digits with EDM2's network and training; `changes` of the section `train`, None to leave a key out."""
    raw: dict[str, Any] = YAML(typ="safe").load(ROOT / "presets" / "digits.yaml")
    raw |= {"network": SMALL, "labels": "real", "generations": 1, "n_synthetic": 40}
    raw["noise"] |= {"p_mean": -0.4, "p_std": 1.0}
    raw["train"] |= {"steps": 8, "batch": 16} | DECAY | changes
    raw["train"] = {key: value for key, value in raw["train"].items() if value is not None}
    raw["auxiliary"] |= {"n": 40, "steps": 4, "batch": 16}
    raw["sampler"] |= {"steps": 3, "block": 40}
    raw["evaluation"]["n"] = 40
    raw["arms"] = {"sims": {"loop": "augmentation", "strategy": "sims", "guidance": 1.0}}
    return parse(raw)


def test_a_generation_is_made_with_the_published_names_and_only_what_trains_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = digits()
    make_set(params)
    make_base(params, 0)
    make_generation(params, CHAIN, 1)
    folder = Layout(params.experiment).generation(CHAIN, 1)
    base, auxiliary = load_file(folder / BASE), load_file(folder / AUXILIARY)
    assert base.keys() == auxiliary.keys()
    assert {"network.unet.out_gain", "network.unet.emb_label.weight", "network.logvar_linear.weight"} <= base.keys()
    for name in ("unet.emb_fourier.freqs", "unet.emb_fourier.phases", "logvar_fourier.freqs"):
        assert torch.equal(base[f"network.{name}"], auxiliary[f"network.{name}"])
    for name in ("unet.out_gain", "unet.emb_label.weight", "logvar_linear.weight"):
        assert not torch.equal(base[f"network.{name}"], auxiliary[f"network.{name}"])
    assert read_array(folder / SYNTHETIC).shape == (40, 1, 8, 8)


def test_averages_are_kept_beside_the_models_and_make_those_of_any_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    params = digits(ema={"sigma_rel": 0.1, "kept_images": 32})
    make_set(params)
    make_base(params, 0)
    model = Layout(params.experiment).base(0) / BASE
    files = {path.name for path in model.parent.iterdir()}
    expected = {
        f"base-average-{images:013d}-{length}.safetensors" for images in (32, 64, 96, 128) for length in ("0.050", "0.100")
    }
    assert files == {"base.safetensors", "losses.json", "environment.json"} | expected
    assert not [path for path in model.parent.parent.iterdir() if path != model.parent]
    outs = YAML(typ="safe").load("stages:\n" + base_stage(params, 0))["stages"]["base-seed0"]["outs"]
    assert {Path(out).name for out in outs} == files
    for sigma_rel, kept in (("0.1", "0.100"), ("0.05", "0.050")):
        assert main(["average", str(model), "made.safetensors", "--sigma-rel", sigma_rel, "--images", "96"]) == 0
        made = load_file("made.safetensors")
        for name, value in load_file(model.parent / f"base-average-0000000000096-{kept}.safetensors").items():
            torch.testing.assert_close(made[name], value, atol=1e-4, rtol=1e-4)
    assert made.keys() == load_file(model).keys()
    for wrong, said in (
        (["--sigma-rel", "0.5"], "sigma_rel 0.5"),
        (["--sigma-rel", "0.1", "--images", "9"], "no average was kept"),
    ):
        assert main(["average", str(model), "made.safetensors", *wrong]) == 2
        assert said in capsys.readouterr().err
    assert main(["average", "made.safetensors", "other.safetensors", "--sigma-rel", "0.1"]) == 2


def test_a_later_generation_keeps_those_of_the_model_that_it_trains() -> None:
    params = digits(ema={"sigma_rel": 0.1, "kept_images": 64})
    first, second = (generation_stage(params, CHAIN, number) for number in (1, 2))
    assert "base-average" not in first
    assert second.count("g002/base-average-") == 4


def test_the_budget_is_what_the_section_says_and_decides_the_generations() -> None:
    params = digits(learning_rate=0.01, warmup=0.0)
    given = budget(params.train, params)
    assert (given.decay_images, given.ema_sigma_rel, given.p_mean, given.p_std) == (64, 0.1, -0.4, 1.0)
    assert given.rate(16) == pytest.approx(0.005)
    keys = decisive(params, CHAIN)
    assert (keys["train.decay_images"], keys["train.ema"]) == (64, {"sigma_rel": 0.1})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decay_images": None}, "train: decay_images is missing: schedule inverse-sqrt needs it"),
        ({"schedule": "cosine"}, "train: decay_images 64 is not allowed: schedule cosine has none"),
        ({"ema_images": 100}, "train: ema_images 100 is not allowed: an ema of sigma_rel has no half-life"),
        (
            {"ema": {"sigma_rel": 0.5}},
            "train.ema.sigma_rel: 0.5 is not allowed: input should be less than or equal to 0.28867",
        ),
        ({"ema": {"sigma_rel": 0.1, "gamma": 7}}, "train.ema.gamma: unknown key (value 7); allowed are sigma_rel, kept_images"),
        ({"ema": "long"}, "train.ema: 'long' is not allowed"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        digits(**changes)
    assert said in str(refused.value)
    assert "more)" not in str(refused.value)
    assert "\n" not in str(refused.value)

"""Guidance as published: a checkpoint as the guide, an interval of noise levels, negative w, and Neon's merge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from published_files import content, write
from ruamel.yaml import YAML
from torch import Tensor, nn

from models.diffusion.denoiser import Denoiser
from models.diffusion.guidance import merged, sims
from pipeline.analysis.theory import predicted
from pipeline.experiment.chains import Chain, decisive
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load, parse
from pipeline.generation.compute import fresh_denoiser
from pipeline.generation.start import check_checkpoints, guide_params
from pipeline.making.shared import make_set, make_shared
from pipeline.making.transactions import make_base, make_whole
from pipeline.published.importing import import_checkpoint
from pipeline.recipes import stages
from pipeline.storage.files import read_array, read_json
from pipeline.storage.layout import AUXILIARY, METRICS, SYNTHETIC, Layout
from pipeline.storage.weights import weights

SMALL = Path("small.safetensors")
GUIDED = {"loop": "augmentation", "strategy": "sims", "guidance": 1.0}
FIRST = Layout("smoke").generation(Chain("arm", 0), 1)
Make = Callable[..., Params]


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The params of preset smoke with an arm, in a folder with a checkpoint of a narrower network."""
    raw = load(ROOT / "presets/smoke.yaml").model_dump(exclude_unset=True)
    raw["train"] |= {"steps": 40}
    raw["auxiliary"] |= {"steps": 20}
    monkeypatch.chdir(tmp_path)
    SMALL.write_bytes(weights(fresh_denoiser(parse(raw | {"network": raw["network"] | {"width": 8}}), (2,), 5)))
    return lambda **arm: parse(raw | {"arms": {"arm": GUIDED | arm}})


def made(params: Params) -> dict[str, Any]:
    """What is said of generation 1."""
    make_shared(params)
    if not Layout("smoke").base(0).exists():
        make_base(params, 0)
    make_whole(params, Chain("arm", 0), 1)
    found: dict[str, Any] = read_json(FIRST / METRICS)
    return found


def look_and_make(params: Params) -> None:
    """What a run does."""
    check_checkpoints(params)
    made(params)


def output() -> bytes:
    return read_array(FIRST / SYNTHETIC).tobytes()


@pytest.mark.parametrize("strategy", ["sims", "autoguidance"])
def test_a_checkpoint_guides_untouched_and_untrained(points: Make, strategy: str) -> None:
    params = points(strategy=strategy, guide={"checkpoint": str(SMALL), "width": 8})
    check_checkpoints(params)
    facts = made(params)
    assert (FIRST / AUXILIARY).read_bytes() == SMALL.read_bytes()
    assert (facts["images_seen"], facts["nfe"]) == (40 * 128, 70)
    assert f"    - {SMALL}\n" in stages.generation_stage(params, Chain("arm", 0), 1)
    assert not [key for key in decisive(params, Chain("arm", 0)) if key.startswith("auxiliary")]
    assert predicted(params, "arm") is None


@pytest.mark.parametrize(
    ("guide", "said"),
    [
        ({"checkpoint": "absent"}, r"^arms\.arm\.guide\.checkpoint: there is no file 'absent'"),
        ({"checkpoint": "text"}, r"^arms\.arm\.guide\.checkpoint: text is no safetensors file"),
        (
            {"checkpoint": str(SMALL)},
            r"small.safetensors does not fit network.kind mlp: its network.layers.0.bias has shape \[8\]",
        ),
    ],
)
def test_a_guide_that_does_not_fit_is_refused_in_a_line(points: Make, guide: dict[str, Any], said: str) -> None:
    Path("text").write_text("no weights")
    with pytest.raises(BadInput, match=said):
        look_and_make(points(guide=guide))
    assert not FIRST.exists()


def test_a_published_guide_says_itself_how_large_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = load(ROOT / "presets/digits.yaml").model_dump(exclude_unset=True)
    monkeypatch.chdir(tmp_path)
    said = YAML(typ="safe").load(import_checkpoint(write(Path("net.pkl"), content("ddpmpp-grey"))))
    arms = {"arm": GUIDED | {"strategy": "autoguidance", "guide": {"checkpoint": "net.safetensors"}}}
    larger = said["network"] | {"channels": 32, "blocks": 2}
    params = parse(raw | {"arms": arms, "noise": said["noise"], "network": larger})
    check_checkpoints(params)
    network = guide_params(params, "arm").network
    assert (network.channels, network.blocks) == (16, 1)
    with pytest.raises(BadInput, match=r"^network.kind: 'residual-mlp' is not allowed: arms.arm.guide.checkpoint net.saf"):
        check_checkpoints(parse(raw | {"arms": arms}))
    arms["arm"]["guide"] |= {"channels": 32}
    with pytest.raises(
        BadInput, match=r"^network.channels: 32 is not allowed: arms.arm.guide.checkpoint net.safetensors has 16"
    ):
        check_checkpoints(parse(raw | {"arms": arms, "noise": said["noise"], "network": larger}))
    make_set(params)


def test_outside_of_the_interval_the_base_is_alone_and_only_evaluations_that_are_made_count(points: Make) -> None:
    everywhere = made(points())
    guided = output()
    assert made(points(interval=[0, 1000]))["nfe"] == everywhere["nfe"] == 70
    assert output() == guided
    some = made(points(interval=[0.1, 5.0]))["nfe"]
    assert 35 < some < 70
    assert output() != guided
    nowhere = made(points(interval=[900.0, 1000.0]))["nfe"]
    alone = output()
    made(points(guidance=0.0))
    assert (nowhere, alone) == (35, output())


def test_the_guide_is_evaluated_at_the_levels_of_the_interval_alone_ends_included() -> None:
    asked = list[float]()

    def guide(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma.max()))
        return 0 * x

    denoise = sims(lambda x, sigma: x, guide, 2.0, [0.5, 2.0])
    x = torch.ones(3, 2)
    values = [denoise(x, torch.tensor(level)).unique().tolist() for level in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert values == [[1], [3], [3], [3], [1]]
    assert asked == [0.5, 1.0, 2.0]
    assert denoise(x, torch.tensor([0.25, 1.0, 4.0]))[:, 0].tolist() == [1, 3, 1]


def test_negative_guidance_draws_towards_the_second_model() -> None:
    denoise = sims(lambda x, sigma: x, lambda x, sigma: 0 * x, -0.25)
    assert denoise(torch.ones(1), torch.ones(())).item() == 0.75


def test_neon_merges_parameters_and_leaves_buffers() -> None:
    base, other = (Denoiser(nn.BatchNorm1d(4), 0.5) for _ in range(2))
    rng = np.random.default_rng(0)
    for model in (base, other):
        for value in (*model.parameters(), model.network.running_mean, model.network.running_var):
            value.data.copy_(torch.from_numpy(rng.normal(size=4)))
    theirs, found = dict(other.named_parameters()), merged(base, other, 1.5)
    for name, ours in base.named_parameters():
        assert torch.equal(found.get_parameter(name), ours - 1.5 * (theirs[name] - ours))
    for name, ours in base.named_buffers():
        assert torch.equal(found.get_buffer(name), ours)

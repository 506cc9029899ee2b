"""Our U-Nets beside values that the published code gave: the same weights, the same outputs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.diffusion.denoiser import Denoiser, over, preconditioning
from models.networks import dhariwal_unet, edm2_unet, song_unet
from models.pretrained import published

HERE = Path(__file__).parent / "parity"
CASES = "ddpmpp-uncond", "ddpmpp-cond", "ddpmpp-grey", "ncsnpp-uncond", "adm-cond", "edm2-cond", "edm2-uncond"


def case_of(name: str) -> tuple[Denoiser, dict[str, Tensor]]:
    """The network of a case with its weights, and what it was given and gave."""
    denoiser = published(json.loads((HERE / f"{name}.json").read_text()), load_file(HERE / f"{name}.safetensors"))
    with np.load(HERE / f"{name}.npz") as file:
        return denoiser, {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.mark.parametrize(
    "case", ["ddpmpp-uncond", "ddpmpp-cond", "ddpmpp-grey", "ncsnpp-uncond", "adm-cond", "edm2-cond", "edm2-uncond"]
)
@torch.inference_mode()
def test_published_weights_give_the_published_outputs(case: str) -> None:
    denoiser, values = case_of(case)
    labels = values.get("class_labels")
    found = denoiser(values["x"], values["sigma"], labels)
    assert float((found - values["denoised"]).abs().max()) < 1e-4
    if "augment_labels" in values:
        c = preconditioning(values["sigma"], denoiser.sigma_data)
        told = {"augment_labels": values["augment_labels"]} | ({"class_labels": labels} if labels is not None else {})
        raw = denoiser.raw(over(c.c_in, values["x"]) * values["x"], c.c_noise, told)
        found = over(c.c_skip, values["x"]) * values["x"] + over(c.c_out, values["x"]) * raw
        assert float((found - values["denoised_augmented"]).abs().max()) < 1e-4


def test_the_defaults_are_the_published_sizes() -> None:
    with torch.device("meta"):
        ddpmpp = song_unet.song_unet((3, 32, 32), song_unet.Settings(augment_labels=True))
        edm2 = edm2_unet.edm2_unet((3, 64, 64), edm2_unet.Settings(), 1000)
        adm = dhariwal_unet.dhariwal_unet((3, 64, 64), dhariwal_unet.Settings(), 1000)
    assert sum(value.numel() for value in ddpmpp.parameters()) == pytest.approx(55.7e6, rel=2e-3)
    assert sum(value.numel() for value in adm.parameters()) == pytest.approx(296e6, rel=2e-3)
    assert sum(value.numel() for value in edm2.parameters()) == pytest.approx(280e6, rel=2e-3)

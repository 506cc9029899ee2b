"""Published networks are imported with the outputs that their own code gives, and nothing in their files is run."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_files import CASES, PARITY, EasyDict, arguments_of, content, network, write
from ruamel.yaml import YAML
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from flows.cli import main
from models.diffusion.denoiser import Denoiser
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import NETWORKS
from pipeline.experiment.sections import Noise
from pipeline.published.importing import import_checkpoint
from pipeline.storage.weights import load_weights


def denoiser_of(path: Path) -> Denoiser:
    """The network of an imported file, from that file alone."""
    with safe_open(path, "np") as file:
        said = {key: json.loads(value) for key, value in file.metadata().items()}
    kind = NETWORKS.entry(said["network"]["kind"])
    classes = (said["classes"],) if said["classes"] else ()
    raw = kind.value(said["shape"], kind.settings.model_validate(said["network"]), *classes)
    denoiser = Denoiser(raw, said["noise"]["sigma_data"]).eval()
    load_weights(path, denoiser)
    return denoiser


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_a_published_pickle_gives_the_published_outputs_and_its_safetensors_the_same_bytes(case: str, tmp_path: Path) -> None:
    pickled, plain = write(tmp_path / "net.pkl", content(case)), tmp_path / "other.safetensors"
    plain.write_bytes((PARITY / f"{case}.safetensors").read_bytes())
    (tmp_path / "other.json").write_text((PARITY / f"{case}.json").read_text())
    import_checkpoint(pickled)
    import_checkpoint(plain, tmp_path / "plain.safetensors")
    with np.load(PARITY / f"{case}.npz") as file:
        values = {key: torch.from_numpy(file[key]) for key in file.files}
    found = denoiser_of(tmp_path / "net.safetensors")(values["x"], values["sigma"], values.get("class_labels"))
    assert float((found - values["denoised"]).abs().max()) < 1e-4
    tensors = [load_file(tmp_path / name) for name in ("net.safetensors", "plain.safetensors")]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())


def test_what_is_printed_is_yaml_with_the_settings_that_the_file_has(tmp_path: Path, capsys: Any) -> None:
    path = write(tmp_path / "net.pkl", content("edm2-cond", torch.float16))
    assert main(["import-checkpoint", str(path), "--out", str(tmp_path / "deep" / "out.safetensors")]) == 0
    said = YAML(typ="safe").load(capsys.readouterr().out)
    assert said["noise"] == {"sigma_data": 0.5, "p_mean": -0.4, "p_std": 1.0}  # the loss's, in the file
    Noise.model_validate(said["noise"])
    assert said["network"]["kind"] == "edm2-unet"
    assert said["labels"] == "real"
    with safe_open(said["base"]["checkpoint"], "np") as file:
        assert json.loads(file.metadata()["network"]) == said["network"]
        assert json.loads(file.metadata()["noise"]) == said["noise"]
    settings = NETWORKS.entry("edm2-unet").settings.model_validate(said["network"]).model_dump()
    assert (settings["channels"], settings["multipliers"], settings["channels_per_head"]) == (16, [1, 2], 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_half_and_double_precision_become_float32_with_the_same_numbers(dtype: Any, protocol: int, tmp_path: Path) -> None:
    path = write(tmp_path / "net.pkl", content("ddpmpp-grey", dtype), protocol)
    import_checkpoint(path)
    found = load_file(tmp_path / "net.safetensors")
    for name, value in load_file(PARITY / "ddpmpp-grey.safetensors").items():
        assert torch.equal(found[name.replace("model.", "network.")], value.to(dtype).float()), name


def test_a_view_and_weights_in_one_storage_are_taken_as_they_are(tmp_path: Path) -> None:
    net = network("ddpmpp-grey")
    layer = net.model.map_layer0
    layer.weight.data = torch.randn(2, *layer.weight.T.shape).double()[1].T
    wanted = layer.weight.detach().float()
    assert not layer.weight.is_contiguous()
    import_checkpoint(write(tmp_path / "net.pkl", {"ema": net}))
    assert torch.equal(load_file(tmp_path / "net.safetensors")["network.map_layer0.weight"], wanted)


def test_arguments_without_names_and_those_left_out_are_the_published_ones(tmp_path: Path) -> None:
    net = network("ddpmpp-grey")
    kwargs = arguments_of("ddpmpp-grey")
    left_out = ("use_fp16", "sigma_data", "augment_dim", "encoder_type", "embedding_type", "dropout")
    rest = {name: value for name, value in kwargs.items() if name not in (*left_out, "img_resolution", "img_channels")}
    net._init_args, net._init_kwargs = (8, 1), EasyDict(rest)
    assert "dropout: 0.1," in import_checkpoint(write(tmp_path / "net.pkl", {"ema": net}))


def test_an_import_is_done_again_but_nothing_else_is_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pkl", content("ddpmpp-grey"))
    import_checkpoint(path)
    former = (tmp_path / "net.safetensors").read_bytes()
    import_checkpoint(path)
    assert (tmp_path / "net.safetensors").read_bytes() == former
    for other in (path, tmp_path / "mine.safetensors"):
        if other != path:
            save_file({"x": torch.zeros(1)}, other)
        with pytest.raises(BadInput, match="is there already"):
            import_checkpoint(path, other)
    with pytest.raises(BadInput, match="nothing is left to do"):
        import_checkpoint(tmp_path / "net.safetensors", tmp_path / "again.safetensors")


def test_an_import_needs_no_more_memory_than_a_few_of_its_tensors(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pkl", content("adm-cond"))
    import_checkpoint(path)  # the libraries are read
    tracemalloc.start()
    import_checkpoint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    largest = max(value.numel() * 4 for value in load_file(tmp_path / "net.safetensors").values())
    assert peak < 4 * largest + 3e6  # and what describes them

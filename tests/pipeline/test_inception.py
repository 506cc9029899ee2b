"""FID of the literature, with random weights in files of the published form: resizing, references, what values carry."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from cleanfid.fid import frechet_distance
from ruamel.yaml import YAML
from safetensors.torch import save_file
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from flows.preflight import check_surroundings
from pipeline.data.arrays import write_samples
from pipeline.data.finite import Finite
from pipeline.data.samples import Labelled
from pipeline.distance.blocks import in_float32
from pipeline.distance.frechet import LARGE, frechet, moments, running_moments
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, parse
from pipeline.extractors import inception
from pipeline.inception import weights
from pipeline.inception.network import Inception
from pipeline.inception.resizing import legacy_tensorflow
from pipeline.judging.evaluation import evaluate_samples
from pipeline.making.shared import make_shared
from pipeline.recipes.stages import extractor_stage
from pipeline.storage.files import read_json, write_json
from pipeline.storage.layout import Layout
from pipeline.views.report.results import _comparable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of random weights, and its digest."""
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.rand(value.shape, generator=generator) for name, value in Inception().state_dict().items()}
    state = {name: value / value[0].numel() if name.endswith("weight") else value for name, value in state.items()}
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file({f"net.layers.{name}": value.half() for name, value in state.items()}, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def params(extractor: dict[str, Any]) -> Params:
    raw: dict[str, Any] = YAML(typ="safe").load(ROOT / "presets" / "digits.yaml")
    raw["data"] = {"kind": "images", "root": "images.npy", "n_real": 8}
    raw["evaluation"] = {"extractor": extractor, "n": 4}
    return parse(raw)


def images(n: int = 14) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8)).astype(np.uint8)


def test_weights_are_looked_for_and_others_than_the_published_ones_are_refused_unless_they_are_named(
    random_weights: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = random_weights
    monkeypatch.setenv(weights.PLACE, str(path))
    assert weights.found(None) == path
    assert weights.checked(path, digest) == digest
    with pytest.raises(BadInput, match=rf"digest: .*random.safetensors has the SHA-256 {digest}, not 7ff4a85c"):
        weights.checked(path, None)
    monkeypatch.setenv(weights.PLACE, str(tmp_path / "gone.pt"))
    with pytest.raises(BadInput, match=r"there is no .*gone.pt: self-consuming weights inception fetches it"):
        weights.found(None)


@pytest.mark.parametrize("side", [8, 32, 299, 320])
def test_images_are_resized_as_tensorflow_did(side: int) -> None:
    given = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = interpolate_bilinear_2d_like_tensorflow1x(given.float(), size=(299, 299), align_corners=False)
    assert float((legacy_tensorflow(given) - expected).abs().max()) < 1e-3


def test_moments_in_blocks_are_numpys_and_the_distance_is_clean_fids() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(500, 12)) + 1e4).astype(np.float32)
    mean, covariance, count = running_moments(np.array_split(features, 7))
    assert count == 500
    np.testing.assert_allclose(mean, features.astype(np.float64).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-9)
    a, b = moments(rng.normal(size=(600, 40))), moments(rng.normal(size=(700, 40)) * 1.3 + 0.1)
    assert frechet(*a, *b) == pytest.approx(frechet_distance(*a, *b), rel=1e-5)


@pytest.mark.parametrize("n", [1500, 300], ids=["of full rank", "singular"])
def test_the_distance_of_many_dimensions_is_clean_fids_also_where_no_factor_exists(n: int) -> None:
    rng = np.random.default_rng(0)
    scales = np.exp(-np.linspace(0, 3, LARGE))
    a, b = moments(rng.normal(size=(n, LARGE)) * scales), moments(rng.normal(size=(1500, LARGE)) * scales * 1.2 + 0.05)
    assert frechet(*a, *b) == pytest.approx(frechet_distance(*a, *b), rel=1e-5)


def test_kept_features_are_drawn_from_the_reference_and_have_the_classes_of_the_same_images(
    random_weights: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digest = random_weights
    monkeypatch.setattr(inception, "KEPT_FEATURES", 5)
    parts = [Labelled(images(28)[first : first + 14], np.arange(14) + first) for first in (0, 14)]
    for reference, part in zip(("training", "reference"), parts):
        settings = inception.Settings(reference=reference, weights=str(path), digest=digest, batch=3)
        extractor = inception.Inception(settings, Finite.of_parts(parts[0], parts[1][:0], parts[1]))
        extractor.device = lambda: torch.device("cpu")
        extractor.fit(tmp_path)
        extractor.load(tmp_path)
        labels = extractor.real_labels(parts[1])
        assert labels is not None
        assert labels.tolist() != part.classes[:5].tolist()
        expected = extractor.features(part.values[labels - part.classes[0]])
        np.testing.assert_allclose(extractor.real_features(parts[1]), expected, rtol=1e-4, atol=1e-5)


def test_features_are_computed_in_float32_whatever_models_are_trained_in() -> None:
    matmul = torch.backends.cuda.matmul
    former, matmul.allow_tf32 = matmul.allow_tf32, True
    try:
        with in_float32():
            assert not matmul.allow_tf32
        assert matmul.allow_tf32
    finally:
        matmul.allow_tf32 = former


def test_an_npz_says_of_how_many_images_it_is_and_is_an_input_of_the_stage(tmp_path: Path) -> None:
    moments = {"mu": np.zeros(2048), "sigma": np.eye(2048)}
    for name, more, count in (("silent.npz", {}, 0), ("counted.npz", {"count": 50_000}, 50_000)):
        np.savez(tmp_path / name, **moments, **more)
        assert inception._statistics(tmp_path / name)[2] == count
    given = params({"kind": "inception", "reference": "stats.npz"})
    assert "    - stats.npz\n" in extractor_stage(given)
    assert "stats.npz\n" not in extractor_stage(params({"kind": "inception"}))


@pytest.mark.parametrize(
    ("mode", "reference"), [("legacy_tensorflow", "training"), ("clean", "reference"), ("legacy_tensorflow", "stats.npz")]
)
def test_values_carry_mode_digest_reference_and_counts(
    random_weights: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, reference: str
) -> None:
    path, digest = random_weights
    monkeypatch.chdir(tmp_path)
    write_samples(Path("images.npy"), Labelled(images()))
    np.savez("stats.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    given = params(
        {"kind": "inception", "mode": mode, "reference": reference, "weights": str(path), "digest": digest, "batch": 4}
    )
    make_shared(given)
    found = evaluate_samples(given, images(5))
    assert found["extractor"] == f"inception-{mode}-{digest[:12]}"
    assert found["reference"].startswith(f"{reference}-")
    assert (found["n_samples"], found["n_reference"]) == (5, {"training": 8, "reference": 6}.get(reference, 0))
    floor = read_json(Layout("digits").facts)
    assert floor["reference"] == found["reference"]
    assert floor["floor"] > 0


def test_statistics_that_are_none_are_refused(random_weights: tuple[Path, str], tmp_path: Path, monkeypatch: Any) -> None:
    path, digest = random_weights
    monkeypatch.chdir(tmp_path)
    write_samples(Path("images.npy"), Labelled(images()))
    given = params({"kind": "inception", "reference": "gone.npz", "weights": str(path), "digest": digest})
    with pytest.raises(BadInput, match=r"evaluation.extractor.reference: 'gone.npz' is not allowed: training, reference, or"):
        make_shared(given)


class Means(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float().mean(dim=3).flatten(1)


@pytest.mark.parametrize(
    ("extractor", "said"),
    [
        ({"kind": "inception", "weights": "nowhere.pt"}, "there is no nowhere.pt: self-consuming weights inception fetches it"),
        (
            {"kind": "torchscript", "path": "nowhere.pt", "digest": "0" * 64},
            "evaluation.extractor.path: there is no nowhere.pt",
        ),
    ],
)
def test_weights_that_are_missing_are_named_before_anything_is_made_and_so_are_data_without_images(
    extractor: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        check_surroundings(params(extractor))
    raw = YAML(typ="safe").load(ROOT / "presets" / "smoke.yaml")
    raw["evaluation"]["extractor"] = extractor
    with pytest.raises(BadInput, match=f"'{extractor['kind']}' is not allowed: data.kind gaussian has no images"):
        parse(raw)


def test_any_torchscript_file_gives_features_and_another_digest_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write_samples(Path("images.npy"), Labelled(images()))
    torch.jit.script(Means()).save("means.pt")
    digest = hashlib.sha256(Path("means.pt").read_bytes()).hexdigest()
    given = params({"kind": "torchscript", "path": "means.pt", "digest": digest})
    make_shared(given)
    assert evaluate_samples(given, images(5))["extractor"] == f"torchscript-{digest[:12]}"
    other = params({"kind": "torchscript", "path": "means.pt", "digest": "0" * 64})
    with pytest.raises(BadInput, match=r"evaluation.extractor.digest: means.pt has the SHA-256"):
        make_shared(other)


def test_values_of_another_extractor_or_reference_are_never_put_beside_each_other(
    tmp_path: Path, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    given = params({"kind": "torchscript", "path": "means.pt", "digest": "0" * 64})
    write_json(Layout("digits").facts, {"extractor": "a-1", "reference": "training-1"})
    columns = {"extractor": ["a-1", "a-2", "a-1"], "reference": ["training-1", "training-1", "training-2"]}
    rows = pd.DataFrame(columns | {"fid": [1.0, 2.0, 3.0]})
    assert _comparable(given, rows)["fid"].tolist() == [1.0]
    assert "2 generations are left out" in caplog.text

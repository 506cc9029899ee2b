import numpy as np
import pytest
import torch

from pipeline.experiment.params import load
from pipeline.generation.compute import draw, fresh_denoiser


@pytest.fixture
def params():
    from pathlib import Path

    return load(Path("presets/smoke.yaml"))


def test_a_sample_depends_neither_on_its_block_nor_on_how_many_are_asked_for(params):
    denoiser = fresh_denoiser(params, (2,), seed=3)
    cpu = torch.device("cpu")
    many = draw(denoiser, params, (2,), 7, 0, 1700, cpu)
    assert np.array_equal(draw(denoiser, params, (2,), 7, 0, 10, cpu), many[:10])
    assert np.array_equal(draw(denoiser, params, (2,), 7, 490, 1310, cpu), many[490:1310])
    other_blocks = params.model_copy(update={"sampler": params.sampler.model_copy(update={"block": 300})})
    assert np.allclose(draw(denoiser, other_blocks, (2,), 7, 0, 1700, cpu), many, rtol=1e-4, atol=1e-4)


def test_samples_that_are_not_finite_are_refused(params):
    with pytest.raises(FloatingPointError, match="diverged"):
        draw(lambda x, sigma: x * float("nan"), params, (2,), 1, 0, 5, torch.device("cpu"))

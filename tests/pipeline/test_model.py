"""Models that are told of classes, for those who look at them."""

import numpy as np
import pytest
from test_labels import CHAIN, digits, made

from pipeline.data.arrays import read_samples
from pipeline.experiment.errors import BadInput
from pipeline.generation.job import Job
from pipeline.storage.layout import SYNTHETIC
from pipeline.views.model import Model


def test_a_model_of_images_with_classes_draws_the_generations_own_and_denoises_by_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = digits()
    (folder,) = made(params, 1)
    model = Model(Job(params, CHAIN, 1, folder))
    own, written = model.sample(50), read_samples(folder / SYNTHETIC)[:50]
    assert own.values.dtype == np.uint8
    np.testing.assert_array_equal(own.values, written.values)
    np.testing.assert_array_equal(own.classes, written.classes)
    other = model.sample(50, seed=1)
    assert not np.array_equal(other.classes, own.classes)
    x = np.random.default_rng(0).normal(size=(4, *model.shape)).astype(np.float32)
    zeros, ones = (model.denoise(x, 1.0, np.full(4, label)) for label in (0, 1))
    assert zeros.shape == x.shape
    assert not np.array_equal(zeros, ones)
    with pytest.raises(BadInput, match="this model is told of 10 classes: give the class of each sample"):
        model.denoise(x, 1.0)
    with pytest.raises(BadInput, match="4 numbers from 0 to 9"):
        model.denoise(x, 1.0, np.full(4, 10))

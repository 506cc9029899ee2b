"""EDM's augmentation: what changes is told, and nothing else changes."""

import pytest
import torch

from models.diffusion.augmentation import augment
from models.diffusion.budget import Budget
from models.diffusion.examples import Held, batches


def images(n: int = 64) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_without_a_probability_nothing_changes_and_nothing_is_told():
    same, labels = augment(images(), 0.0, torch.Generator().manual_seed(1))
    assert torch.equal(same, images())
    assert not labels.any()


def test_the_same_generator_gives_the_same_and_another_does_not():
    first, again, other = (augment(images(), 0.5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(first[0], other[0])


def test_an_image_is_as_it_was_or_mirrored_exactly_where_no_more_is_told():
    given = images(400)
    changed, labels = augment(given, 0.12, torch.Generator().manual_seed(3))
    assert changed.shape == given.shape
    assert float(labels[:, 0].mean()) == pytest.approx(0.5, abs=0.1)
    alone = ~labels[:, 1:].any(dim=1)
    expected = torch.where(labels[:, 0].bool().view(-1, 1, 1, 1), given.flip(3), given)
    assert torch.equal(changed[alone], expected[alone])
    assert 0.3 < float(alone.float().mean()) < 0.7
    assert all((changed[i] != expected[i]).any() for i in torch.nonzero(~alone).flatten())


def test_a_translation_moves_the_image_by_what_is_told():
    wave = torch.linspace(-1, 1, 33)[None, None, None].expand(300, 1, 33, 33).clone()
    changed, labels = augment(wave, 0.3, torch.Generator().manual_seed(4))
    moved = (labels[:, 7] != 0) & ~labels[:, :7].any(dim=1)
    assert moved.any()
    slope = 2 / 32 * 33 / 2  # of the grey level, for half a side
    for i in torch.nonzero(moved).flatten():
        shift = float(changed[i, 0, 16, 16] - wave[i, 0, 16, 16])
        assert shift == pytest.approx(float(labels[i, 7]) * 0.125 * 2 * slope, abs=0.02)


def test_training_tells_the_network():
    held = Held(torch.randint(0, 256, (32, 3, 8, 8), dtype=torch.uint8))
    told = Budget(2, 16, 1e-3, 0.0, False, 0.1, -1.2, 1.2, augmentation=0.5)
    seen = list(batches(held, told, 0.5, lambda stream, index: index))
    assert all(batch.conditions["augment_labels"].shape == (16, 9) for batch in seen)
    assert any(batch.conditions["augment_labels"].any() for batch in seen)

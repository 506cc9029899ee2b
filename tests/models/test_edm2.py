"""EDM2's network and how it is trained: magnitudes, forced normalisation, uncertainty, the rate's decay."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from models.diffusion.arithmetic import Arithmetic
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import Batch, Held
from models.diffusion.loss import loss
from models.diffusion.training import Watch, train
from models.modules.edm2_unet import EDM2UNet
from models.pretrained import settings_of
from models.sizes.edm2_unet import Settings
from models.unet.magnitude import MPConv, MPFourier, mp_cat, mp_silu, mp_sum, normalised
from pipeline.experiment.seeds import derive

SMALL = Settings(channels=8, multipliers=[1, 2], blocks=1, attention=[4], channels_per_head=8, dropout=0.1, logvar_channels=8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a network is slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(classes: int = 0, seed: int = 0) -> EDM2UNet:
    """A small one for 8 x 8 images whose gains are not at their zeros."""
    torch.manual_seed(seed)
    made = EDM2UNet((1, 8, 8), SMALL, classes)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("gain"):
                value.fill_(0.5)
    return made


def layers(module: nn.Module) -> list[MPConv]:
    return [each for each in module.modules() if isinstance(each, MPConv)]


def magnitudes(weight: Tensor) -> Tensor:
    return weight.detach().flatten(1).square().mean(1).sqrt()


def budget(**changes) -> Budget:
    given = {"steps": 4, "batch": 4, "learning_rate": 1e-12, "warmup": 0.0, "cosine": False, "ema": 0.0}
    return Budget(**(given | {"p_mean": -0.4, "p_std": 1.0} | changes))


def seeds(stream: str, index: int) -> int:
    return derive(0, stream, index)


def images(n: int = 16) -> Held:
    return Held(torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.5)


def test_every_layer_keeps_the_magnitude_of_unit_gaussians():
    torch.manual_seed(0)
    a = torch.randn(64, 32, 8, 8)
    for convolution in (MPConv(32, 128, 3), MPConv(32, 128, 1)):
        inside = convolution(a).detach()[:, :, 1:-1, 1:-1]
        assert float(inside.square().mean().sqrt()) == pytest.approx(1, abs=0.03)
    values = [MPConv(32, 64, 0)(a[:, :, 0, 0]), mp_silu(a), mp_sum(a, torch.randn_like(a), 0.3)]
    values += [normalised(7 * a, dim=1), MPFourier(512)(torch.randn(64))]
    for value in values:
        assert float(value.detach().square().mean().sqrt()) == pytest.approx(1, abs=0.03)


def test_a_concatenation_gives_its_parts_their_shares_whatever_their_numbers_of_channels():
    a, b = torch.ones(1, 10, 2, 2), torch.ones(1, 30, 2, 2)
    joined = mp_cat(a, b, 0.2)
    assert float(joined.square().mean()) == pytest.approx(1)
    first, second = (float(part.square().sum().sqrt()) for part in (joined[:, :10], joined[:, 10:]))
    assert second / first == pytest.approx(0.2 / 0.8)


def test_outputs_do_not_depend_on_the_scale_of_weights_and_no_evaluation_changes_them():
    made = network()
    x, c_noise = torch.randn(2, 1, 8, 8), torch.randn(2)
    with torch.no_grad():
        before = made.eval()(x, c_noise)
        for layer in layers(made):
            layer.weight.mul_(3)
        kept = [layer.weight.clone() for layer in layers(made)]
        torch.testing.assert_close(made(x, c_noise), before, atol=2e-3, rtol=2e-3)
        made.train()(x, c_noise)
        assert all(torch.equal(layer.weight, weight) for layer, weight in zip(layers(made), kept))
        made.normalise_weights()
        for layer in layers(made):
            torch.testing.assert_close(magnitudes(layer.weight), torch.ones(layer.n_out), atol=1e-3, rtol=0)
        torch.testing.assert_close(made.eval()(x, c_noise), before, atol=2e-3, rtol=2e-3)


def test_a_training_normalises_the_weights_that_train_and_no_average():
    start = Denoiser(network(), 0.5)
    with torch.no_grad():
        for layer in layers(start):
            layer.weight.mul_(3 / magnitudes(layer.weight).view(-1, *[1] * (layer.weight.ndim - 1)))
    last = train(start, images(), budget(), seeds)
    slow = budget(ema=5.0)
    mean = train(start, images(), slow, seeds)
    left = math.prod(slow.ema_decay(step) for step in range(4))
    assert 0.5 < left < 0.99
    for before, weights, average in zip(layers(start), layers(last), layers(mean)):
        torch.testing.assert_close(magnitudes(before.weight), torch.full([before.n_out], 3.0))
        torch.testing.assert_close(magnitudes(weights.weight), torch.ones(before.n_out), atol=1e-3, rtol=0)
        torch.testing.assert_close(magnitudes(average.weight), torch.full([before.n_out], 1 + 2 * left), atol=1e-3, rtol=0)


class Unsure(nn.Module):
    """Says nothing but how unsure it is."""

    def __init__(self, u: Tensor) -> None:
        super().__init__()
        self.u = nn.Parameter(u)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        return torch.zeros_like(x)

    def log_variance(self, c_noise: Tensor) -> Tensor:
        return self.u


def test_the_uncertainty_that_makes_the_loss_least_is_the_logarithm_of_the_error_at_a_level():
    target = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(-1, 1, 5)[:, None]
    batch = Batch(torch.zeros(5, 3), torch.zeros(5), target, {})
    errors = target.square().mean(1)
    model = Denoiser(Unsure(errors.log()), 0.5)
    least = loss(model, batch)
    least.backward()
    assert float(least.detach()) == pytest.approx(float((1 + errors.log()).mean()), rel=1e-5)
    assert float(model.network.u.grad.abs().max()) < 1e-6
    for change in (-0.5, 0.5):
        assert float(loss(Denoiser(Unsure(errors.log() + change), 0.5), batch)) > float(least)


def test_training_lowers_the_loss_and_learns_how_sure_the_network_is():
    start, sigma = Denoiser(network(), 0.5), torch.tensor([0.3, 3.0])
    watch = Watch()
    trained = train(start, images(64), budget(steps=128, batch=16, learning_rate=2e-2, ema=0.05), seeds, watch)
    assert watch.curve[-1] < watch.curve[0] - 0.1
    with torch.no_grad():
        x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(2)) * 0.5
        for level, u in zip(sigma, trained.network.log_variance(sigma.log() / 4)):
            noisy = x + level * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
            weight = (level**2 + 0.25) / (level * 0.5) ** 2
            error = weight * (trained(noisy, level) - x).square().mean()
            assert float(u) == pytest.approx(float(error.log()), abs=0.7)


def test_a_training_of_it_goes_on_from_a_checkpoint_to_the_same_bits():
    class Kept:
        def __init__(self, states) -> None:
            self.states = states

        def load(self):
            return self.states[-1] if self.states else None

        def keep(self, state) -> None:
            self.states.append({name: value.clone() for name, value in state.items()})

    given = budget(steps=66, batch=2, learning_rate=1e-2, ema_sigma_rel=0.1)
    kept = Kept([])
    whole = train(Denoiser(network(), 0.5), images(), given, seeds, Watch(kept, 2))
    assert len(kept.states) > 1
    again = train(Denoiser(network(), 0.5), images(), given, seeds, Watch(Kept(kept.states[:1]), 2))
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))


def test_no_label_is_a_label_of_zeros_and_labels_matter():
    made = network(classes=3).eval()
    x, c_noise = torch.randn(3, 1, 8, 8), torch.randn(3)
    with torch.no_grad():
        none = made(x, c_noise)
        assert torch.equal(none, made(x, c_noise, torch.zeros(3, 3)))
        assert not torch.allclose(none, made(x, c_noise, torch.eye(3)), atol=1e-3)


def test_half_precision_is_near_and_stays_within_the_bounds_of_activations():
    made, x = network().eval(), torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        exact = Denoiser(made, 0.5)(x, torch.tensor(1.0))
        rounded = Denoiser(made, 0.5, Arithmetic("bf16"))(x, torch.tensor(1.0))
    assert rounded.dtype == torch.float32
    assert 0 < float((exact - rounded).abs().max()) < 0.1


def test_published_arguments_give_their_settings_and_those_that_are_left_out_the_published_defaults():
    arguments = {
        "img_resolution": 64,
        "img_channels": 3,
        "model_channels": 128,
        "num_blocks": 2,
        "attn_resolutions": (8,),
        "clip_act": None,
    }
    arguments |= {"channels_per_head": 32, "res_balance": 0.4, "attn_balance": 0.2, "label_balance": 0.6, "concat_balance": 0.7}
    assert settings_of(arguments | {"channel_mult_noise": 2, "channel_mult_emb": 3, "resample_filter": [1, 1]}) == Settings(
        channels=128,
        blocks=2,
        attention=[8],
        clip_act=None,
        channels_per_head=32,
        res_balance=0.4,
        attn_balance=0.2,
        label_balance=0.6,
        concat_balance=0.7,
        noise_channels=2,
        embedding_channels=3,
    )


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match=r"network\.channels_per_head: 2 is not allowed: 7 channels are no multiple"):
        EDM2UNet((1, 8, 8), SMALL.model_copy(update={"channels_per_head": 2, "channels": 7, "multipliers": [1, 1]}))


def test_the_rate_falls_with_the_root_of_the_images_seen():
    given = budget(steps=1000, batch=10, learning_rate=1e-2, decay_images=1000)
    assert given.rate(0) == given.rate(100) == pytest.approx(1e-2)
    assert given.rate(400) == pytest.approx(5e-3)
    assert given.rate(900) == pytest.approx(1e-2 / 3)
    risen = budget(steps=1000, batch=10, learning_rate=1e-2, decay_images=1000, warmup_images=4000)
    assert risen.rate(0) == pytest.approx(1e-2 / 400)
    assert risen.rate(200) == pytest.approx(1e-2 * 201 / 400 / math.sqrt(2))
    assert risen.rate(900) == pytest.approx(1e-2 / 3)

"""Training: what a step sees, how fast it learns, and what remains of the average."""

import pytest
import torch
from torch import nn

from models.diffusion.adam import BETAS, EPSILON, Adam
from models.diffusion.arithmetic import Arithmetic
from models.diffusion.budget import Budget
from models.diffusion.buffers import flatten
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import CHUNK_STEPS, Held, batches, chunk_steps
from models.diffusion.training import Watch, train
from models.modules.mlp import MLP
from models.sizes.mlp import Settings
from pipeline.experiment.seeds import derive
from pipeline.generation.checkpoints import FileCheckpoint


def budget(**changes) -> Budget:
    given = {"steps": 100, "batch": 8, "learning_rate": 1e-2, "warmup": 0.1, "cosine": True, "ema": 0.1}
    return Budget(**(given | {"p_mean": -1.2, "p_std": 1.2} | changes))


def seeds(stream: str, index: int) -> int:
    return derive(0, stream, index)


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    rates = [budget().rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-3)
    assert max(rates) == pytest.approx(1e-2)
    assert rates[-1] < 1e-5


@pytest.mark.parametrize("warmup", [0.001, 0.005, 0.05, 0.333])
def test_a_warmup_of_a_fraction_of_a_step_does_not_overshoot(warmup):
    assert max(budget(warmup=warmup, steps=10, cosine=False).rate(step) for step in range(10)) == pytest.approx(1e-2)


def test_every_epoch_shows_every_sample_once():
    data = torch.arange(16.0)[:, None]
    quiet = budget(steps=4, p_mean=-30.0, p_std=0.01)  # so little noise that the input is the sample
    shown = torch.cat([batch.x for batch in batches(Held(data), quiet, 1.0, seeds)]).flatten()
    for epoch in shown.split(16):
        assert torch.allclose(epoch.sort().values, data.flatten(), atol=1e-4)
    assert not torch.equal(shown[:16], shown[16:])


def test_without_an_average_the_result_is_the_last_weights_and_with_one_it_lags():
    torch.manual_seed(0)
    start = Denoiser(MLP((2,), Settings(width=8, depth=1, embedding=4)), 1.0)
    data = torch.randn(64, 2)
    last, mean = (train(start, Held(data), budget(ema=ema), seeds) for ema in (0.0, 0.5))

    def distance(model: Denoiser) -> float:
        return sum(float((a - b).detach().square().sum()) for a, b in zip(model.parameters(), start.parameters()))

    assert 0 < distance(mean) < distance(last)


def test_training_denoises_better_than_the_prior_of_the_preconditioning():
    torch.manual_seed(0)
    start = Denoiser(MLP((2,), Settings(width=32, depth=2, embedding=8)), 1.0)
    data = torch.randn(256, 2) * 0.1 + 1.0
    trained = train(start, Held(data), budget(steps=300, batch=64), seeds)
    noisy, sigma = data + 0.5 * torch.randn_like(data), torch.tensor(0.5)
    errors = [float((model(noisy, sigma) - data).square().mean()) for model in (start, trained)]
    assert errors[1] < errors[0] / 4


@pytest.mark.parametrize("batch", [1, 300, 1500, 100_000])
def test_batches_are_prepared_a_power_of_2_steps_at_a_time_so_that_every_64th_ends_a_chunk(batch):
    assert CHUNK_STEPS % chunk_steps((3, 32, 32), batch) == 0


def test_a_step_in_parts_is_the_step_as_a_whole_up_to_rounding():
    torch.manual_seed(0)
    start = Denoiser(MLP((2,), Settings(width=16, depth=1, embedding=4)), 1.0)
    data = Held(torch.randn(64, 2))
    whole, parts = (train(start, data, budget(microbatch=size), seeds) for size in (None, 3))
    pairs = list(zip(whole.parameters(), parts.parameters()))
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert all(torch.allclose(a, b, atol=2e-3) for a, b in pairs)


def test_the_average_and_the_ramp_can_be_given_in_images():
    assert budget(warmup_images=80).rate(4) == pytest.approx(5e-3)
    assert budget(ema=0.5, ema_images=8).ema_decay(99) == pytest.approx(0.5)
    assert budget(ema=0.5, ema_images=8).ema_decay(0) == pytest.approx(0.25)


def test_flips_mirror_half_of_the_images_and_the_classes_go_along():
    images = torch.zeros(64, 1, 1, 2)
    images[:, 0, 0, 1] = torch.arange(64)
    held = Held(images, torch.arange(64) % 4, classes=4, flip=True)
    quiet = budget(steps=8, p_mean=-30.0, p_std=0.01)
    seen = list(batches(held, quiet, 1.0, seeds))
    x = torch.cat([batch.x for batch in seen])[:, 0, 0]
    mirrored = (x[:, 0] > 0.5).float()
    assert 0.2 < float(mirrored.mean()) < 0.8
    number = x.amax(1).round().long()
    told = torch.cat([batch.conditions["class_labels"] for batch in seen])
    assert torch.equal(told.argmax(1)[number > 0], (number % 4)[number > 0])


def test_half_precision_rounds_the_network_alone_and_is_resumed_to_the_same_bits():
    torch.manual_seed(0)
    network, data = MLP((2,), Settings(width=16, depth=1, embedding=4)), Held(torch.randn(64, 2))
    exact = train(Denoiser(network, 1.0), data, budget(steps=200), seeds)
    for precision in ("bf16", "fp16"):
        start = Denoiser(network, 1.0, Arithmetic(precision))
        kept = Kept()
        rounded = train(start, data, budget(steps=200), seeds, Watch(kept, 64 * 8))
        resumed = Kept()
        resumed.states = kept.states[:1]
        again = train(start, data, budget(steps=200), seeds, Watch(resumed, 64 * 8))
        for a, b, c in zip(rounded.parameters(), again.parameters(), exact.parameters()):
            assert a.dtype == torch.float32
            assert torch.equal(a, b)
            assert torch.allclose(a, c, atol=0.1)
            assert not torch.equal(a, c)


class Stopping(FileCheckpoint):
    """Stops the training when it keeps its second state, as a kill would."""

    kept = 0

    def keep(self, state) -> None:
        super().keep(state)
        self.kept += 1
        if self.kept == 2:
            raise KeyboardInterrupt


def test_a_training_that_was_stopped_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path):
    torch.manual_seed(0)
    start, data, long = Denoiser(MLP((2,), Settings(width=8, depth=1, embedding=4)), 1.0), torch.randn(50, 2), budget(steps=300)
    chunks = []

    def counted(stream: str, index: int) -> int:
        chunks.extend([index] if stream == "noise" else [])
        return seeds(stream, index)

    undisturbed = train(start, Held(data), long, seeds)
    with pytest.raises(KeyboardInterrupt):
        train(start, Held(data), long, seeds, Watch(Stopping(tmp_path / "state.safetensors", b"this"), 100 * long.batch))
    resumed = train(
        start, Held(data), long, counted, Watch(FileCheckpoint(tmp_path / "state.safetensors", b"this"), 100 * long.batch)
    )
    assert chunks == [4]
    for a, b in zip(undisturbed.parameters(), resumed.parameters()):
        assert torch.equal(a, b)


def test_a_checkpoint_of_another_training_and_a_damaged_one_are_not_taken_up(tmp_path):
    path = tmp_path / "state.safetensors"
    FileCheckpoint(path, b"this").keep({"processes": torch.tensor([1]), "step": torch.tensor(64)})
    assert FileCheckpoint(path, b"other").load() is None
    state = {"processes": torch.tensor([1]), "step": torch.tensor(64)}
    assert FileCheckpoint(path, b"this").load() == state
    FileCheckpoint(path, b"this").keep(state | {"step": torch.tensor(96)})
    path.write_bytes(path.read_bytes()[:-3])
    assert FileCheckpoint(path, b"this").load() == state, "the one before is kept back"
    path.with_suffix(".former.safetensors").unlink()
    assert FileCheckpoint(path, b"this").load() is None


class Kept:
    """A checkpoint in memory; `stop` raises when so many states were kept."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def load(self) -> dict[str, torch.Tensor] | None:
        return self.states[-1] if self.states else None

    def keep(self, state: dict[str, torch.Tensor]) -> None:
        self.states.append({name: value.clone() for name, value in state.items()})


class Stochastic(torch.nn.Module):
    """A network that draws at every step and keeps running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
        )

    def forward(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_network_that_draws_is_trained_to_the_same_bits_whole_or_from_any_checkpoint_and_given_back_to_be_evaluated():
    torch.manual_seed(0)
    start, data = Denoiser(Stochastic(), 1.0), Held(torch.randn(256, 2))
    given = budget(steps=200)
    kept = Kept()
    whole = train(start, data, given, seeds, Watch(kept, 64 * 8))
    assert len(kept.states) > 2
    torch.manual_seed(1)
    torch.rand(7)
    resumed = Kept()
    resumed.states = kept.states[:1]
    again, other = (
        train(start, data, given, seeds, Watch(resumed, 64 * 8)),
        train(start, data, given, lambda s, i: derive(1, s, i)),
    )
    for a, b in zip(whole.state_dict().values(), again.state_dict().values()):
        assert torch.equal(a, b)
    assert not torch.equal(whole.network.layers[0].weight, other.network.layers[0].weight)
    assert not any(module.training for module in whole.modules())
    assert whole.network.layers[1].num_batches_tracked == 200


def test_the_perceptrons_gradients_by_hand_are_autograds():
    network = MLP((3,), Settings(width=16, depth=3, embedding=4))
    x, c_noise, target = torch.randn(20, 3), torch.randn(20), torch.randn(20, 3)
    loss = (network(x, c_noise) - target).square().mean()
    loss.backward()
    automatic = [each.grad.clone() for each in network.parameters()]
    for each in network.parameters():
        each.grad.zero_()
    assert float(network.regress(x, c_noise, target)) == pytest.approx(float(loss.detach()))
    for each, found in zip(automatic, network.parameters()):
        torch.testing.assert_close(found.grad, each, rtol=1e-5, atol=1e-7)


def test_adam_makes_the_steps_of_torchs():
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 50)) for _ in range(2))
    ours.grad = torch.zeros(50)
    adam, reference = Adam([ours]), torch.optim.Adam([theirs], betas=BETAS, eps=EPSILON)
    for step in range(20):
        gradient = torch.randn(50, generator=torch.Generator().manual_seed(step)) * 10.0 ** (step % 3 - 4)
        adam.zero_grad()
        ours.grad += gradient
        theirs.grad = gradient.clone()
        adam.rate = reference.param_groups[0]["lr"] = 1e-2 / (step + 1)
        adam.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_parameters_in_one_buffer_keep_their_values_layout_and_gradients():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1).double()).to(memory_format=torch.channels_last)
    before = [(each.detach().clone(), each.stride()) for each in layers.parameters()]
    single, double = flatten(layers)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    for each, (values, strides) in zip(layers.parameters(), before):
        assert torch.equal(each, values)
        assert each.stride() == strides
    layers[0](torch.randn(1, 3, 5, 5)).sum().backward()
    assert single.grad.abs().sum() > 0
    assert not double.grad.any()
    single.data.zero_()
    assert not layers[0].weight.any()


@pytest.mark.parametrize("width", [1, 3])
def test_a_network_that_gives_another_shape_than_it_is_given_is_refused(width):
    class Other(nn.Module):
        def forward(self, x, c_noise):
            return x.new_zeros(len(x), width)

    says = rf"the network gives \[4, {width}\] for x of \[4, 2\]: its output must have the shape of x"
    with pytest.raises(ArithmeticError, match=says):
        Denoiser(Other(), 1.0)(torch.zeros(4, 2), torch.ones(4))

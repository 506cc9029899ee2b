"""A plain multilayer perceptron, for points."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.diffusion.embedding import NoiseEmbedding
from models.sizes.mlp import Settings


class MLP(nn.Module):
    """[B, D] -> [B, D]; the noise embedding is concatenated to the input."""

    def __init__(self, shape: tuple[int, ...], settings: Settings) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embed = NoiseEmbedding(settings.embedding)
        widths = [size + settings.embedding, *[settings.width] * settings.depth]
        hidden = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(settings.width, size))

    def forward(self, x: Tensor, c_noise: Tensor, embedded: Tensor | None = None) -> Tensor:
        known = self.embed(c_noise) if embedded is None else embedded
        return self.layers(torch.cat([x.flatten(1), known], dim=1)).view_as(x)

    def embeds_like(self, other: nn.Module) -> bool:
        """Whether another network has the same embedding of noise levels, and takes it as `embedded`."""
        return type(self) is type(other) is MLP and torch.equal(self.embed.frequencies, other.embed.frequencies)

    @torch.no_grad()
    def regress(self, x: Tensor, c_noise: Tensor, target: Tensor) -> Tensor:
        """The mean squared error, whose gradients are added to the parameters': by hand, since autograd takes as long again."""
        parameters = list(self.layers.parameters())
        weights, biases = parameters[::2], parameters[1::2]
        inputs, sums = [torch.cat([x.flatten(1), self.embed(c_noise)], dim=1)], list[Tensor]()
        for weight, bias in zip(weights, biases):
            if sums:
                inputs.append(silu(sums[-1]))
            sums.append(torch.addmm(bias, inputs[-1], weight.t()))
        error = sums[-1] - target.flatten(1)
        gradient = error * (2 / error.numel())
        for layer in reversed(range(len(weights))):
            weights[layer].grad.addmm_(gradient.t(), inputs[layer])  # type: ignore[union-attr]
            biases[layer].grad.add_(gradient.sum(0))  # type: ignore[union-attr]
            if layer:
                gradient = torch.ops.aten.silu_backward(gradient @ weights[layer], sums[layer - 1])
        return error.square().mean()

"""Adam (Kingma and Ba, arXiv 1412.6980), on a few large tensors. torch.optim takes longer than a tiny network does."""

import math

import torch
from torch import Tensor, nn

BETAS, EPSILON = (0.9, 0.99), 1e-8


class Adam:
    """The moments of a list of tensors, and a step along their gradients.

    Attributes:
        rate: the learning rate of the next step.
        param_groups: where torch's GradScaler looks for the gradients.
    """

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self.weights, self.rate, self.steps = weights, 0.0, 0
        self.moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in weights]
        self.param_groups = [{"params": weights}]

    @torch.no_grad()
    def step(self) -> None:
        """One step of the algorithm, with its corrections for moments that began at zero."""
        self.steps += 1
        first, second = (1 - beta**self.steps for beta in BETAS)
        size, tiny = -self.rate * math.sqrt(second) / first, EPSILON * math.sqrt(second)
        for weights, (mean, square) in zip(self.weights, self.moments):
            gradient = weights.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            weights.addcdiv_(mean, square.sqrt().add_(tiny), value=size)

    def zero_grad(self) -> None:
        """Set the gradients to zero, where they are."""
        for weights in self.weights:
            assert weights.grad is not None
            weights.grad.zero_()

    def state(self) -> dict[str, Tensor]:
        """All that later steps depend on, as tensors with names."""
        named = {f"adam.{index}.{place}": each for index, pair in enumerate(self.moments) for place, each in enumerate(pair)}
        return named | {"adam.steps": torch.tensor(self.steps)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a state."""
        for index, pair in enumerate(self.moments):
            for place, each in enumerate(pair):
                each.copy_(state[f"adam.{index}.{place}"])
        self.steps = int(state["adam.steps"])

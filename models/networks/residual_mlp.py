"""A residual multilayer perceptron, for small images."""

from typing import TYPE_CHECKING

from models.registry import NETWORKS
from models.sizes.residual_mlp import Settings

if TYPE_CHECKING:
    from models.modules.residual_mlp import ResidualMLP


@NETWORKS.register("residual-mlp", Settings)
def residual_mlp(shape: tuple[int, ...], settings: Settings) -> "ResidualMLP":
    """[B, C, H, W] -> [B, C, H, W], conditioned in every block."""
    from models.modules.residual_mlp import ResidualMLP

    return ResidualMLP(shape, settings)

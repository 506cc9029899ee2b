"""A plain multilayer perceptron, for points."""

from typing import TYPE_CHECKING

from models.registry import NETWORKS
from models.sizes.mlp import Settings

if TYPE_CHECKING:
    from models.modules.mlp import MLP


@NETWORKS.register("mlp", Settings)
def mlp(shape: tuple[int, ...], settings: Settings) -> "MLP":
    """[B, D] -> [B, D]; the noise embedding is concatenated to the input."""
    from models.modules.mlp import MLP

    return MLP(shape, settings)

"""A residual multilayer perceptron, for small images."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import NETWORKS

if TYPE_CHECKING:
    from models.modules.residual_mlp import ResidualMLP


class Settings(NetworkSettings):
    """Its size; `embedding` is the channels of the noise level's embedding."""

    width: Annotated[int, Field(ge=1, le=8192)]
    depth: Annotated[int, Field(ge=1, le=64)]
    embedding: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]

    @property
    def multiplications(self) -> int:
        """About how many an evaluation takes for one sample."""
        return 2 * self.depth * self.width**2


@NETWORKS.register("residual-mlp", Settings)
def residual_mlp(shape: tuple[int, ...], settings: Settings) -> "ResidualMLP":
    """[B, C, H, W] -> [B, C, H, W], conditioned in every block."""
    from models.modules.residual_mlp import ResidualMLP

    return ResidualMLP(shape, settings)

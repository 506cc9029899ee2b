"""A plain multilayer perceptron, for points."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.diffusion.settings import NetworkSettings
from models.registry import NETWORKS

if TYPE_CHECKING:
    from models.modules.mlp import MLP


class Settings(NetworkSettings):
    """Its size; `embedding` is the channels of the noise level's embedding."""

    width: Annotated[int, Field(ge=1, le=8192)]
    depth: Annotated[int, Field(ge=1, le=64)]
    embedding: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]

    @property
    def multiplications(self) -> int:
        """About how many an evaluation takes for one sample."""
        return self.width * (self.embedding + self.width * (self.depth - 1))


@NETWORKS.register("mlp", Settings)
def mlp(shape: tuple[int, ...], settings: Settings) -> "MLP":
    """[B, D] -> [B, D]; the noise embedding is concatenated to the input."""
    from models.modules.mlp import MLP

    return MLP(shape, settings)

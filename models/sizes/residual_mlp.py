"""The settings of the residual perceptron."""

from typing import Annotated

from pydantic import Field

from models.diffusion.settings import NetworkSettings


class Settings(NetworkSettings):
    """Its size; `embedding` is the channels of the noise level's embedding."""

    width: Annotated[int, Field(ge=1, le=8192)]
    depth: Annotated[int, Field(ge=1, le=64)]
    embedding: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]

    @property
    def multiplications(self) -> int:
        """About how many an evaluation takes for one sample."""
        return 2 * self.depth * self.width**2

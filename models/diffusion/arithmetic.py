"""In which precision a network is evaluated, and whether it is compiled."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import torch

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Arithmetic(NamedTuple):
    """How networks compute. Weights, optimizer, averages and everything around the network stay float32.

    Attributes:
        precision: `bf16` and `fp16` are torch's autocast; `tf32` (operands of products on a GPU rounded to 10 bits) is a
            switch of the whole process.
        compile: whether `torch.compile` fuses the network's operations.
    """

    precision: Precision = "fp32"
    compile: bool = False

    def on(self, device: torch.device) -> AbstractContextManager[object]:
        """Within the block networks are evaluated in this precision."""
        half = HALF.get(self.precision)
        return torch.autocast(device.type, half) if half else nullcontext()


EXACT = Arithmetic()

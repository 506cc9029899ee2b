"""stub"""

from typing import Any


def augment(y: Any, p: float, generator: Any) -> Any:
    """Stub."""
    raise NotImplementedError

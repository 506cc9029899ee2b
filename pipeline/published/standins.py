"""What a network's pickle may name, and the inert things that stand for it. Nothing here is looked up by a name of the file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.published.machine import Name
from pipeline.published.storages import KINDS, storage
from pipeline.published.tensors import Tensor, numpy_scalar, rebuilt
from pipeline.published.window import Refused, Window


@dataclass(eq=False)
class Standin:
    """An object that was not made: its class's name, what that was called with, and the state that it would have got.

    `persistent` objects are those of EDM's `torch_utils.persistence`, which bear the source of their class.
    """

    name: str
    arguments: tuple[Any, ...]
    state: Any = None
    persistent: bool = False


DTYPES = "float16 float32 float64 bfloat16 uint8 int8 int16 int32 int64 bool"
KNOWN = {
    "builtins": "set frozenset range slice",
    "__builtin__": "set frozenset xrange slice",
    "collections": "OrderedDict",
    "functools": "partial",
    "dnnlib.util": "EasyDict",
    "torch_utils.persistence": "_reconstruct_persistent_obj",
    "torch": f"Size device {DTYPES} {' '.join(f'{kind}Storage' for kind in KINDS)}",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_parameter _rebuild_parameter_with_state",
    "torch.storage": "_load_from_bytes",
    "numpy": f"ndarray dtype {DTYPES}",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.multiarray": "scalar _reconstruct",
    "numpy._core.multiarray": "scalar _reconstruct",
}
"""By module: what the published files name, and what a Python and a torch of another age name instead."""
ALLOWED = {Name(module, name) for module, names in KNOWN.items() for name in names.split()}
TORCH_MODULE = re.compile(r"torch\.nn\.modules\.[a-z_]+ [A-Z][A-Za-z0-9]*")
"""Torch's own layers, which stand within published networks."""


class Modules:
    """The vocabulary of a pickled network, in a window on a file."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def named(self, name: Name) -> Name:
        """The name itself. Raises Refused, which says it, for one that is not allowed."""
        if name not in ALLOWED and not TORCH_MODULE.fullmatch(f"{name.module} {name.name}"):
            raise Refused(f"it names {name}, which no network needs: nothing of it was run")
        return name

    def called(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """What stands for the result of a call."""
        act = CALLS.get(function.name)
        try:
            return act(arguments, self.window) if act else Standin(str(function), arguments)
        except Refused:
            raise
        except (TypeError, ValueError, LookupError, AttributeError):  # other arguments than it takes
            raise Refused(f"it calls {function} with strange arguments") from None

    def made(self, cls: Name, arguments: tuple[Any, ...]) -> Any:
        """What stands for a new object of a class, whose state comes later."""
        return {} if cls.name in ("EasyDict", "OrderedDict") and not arguments else Standin(str(cls), arguments)

    def build(self, target: Any, state: Any) -> None:
        """Keep the state that an object would have got; that of dictionaries does not matter."""
        if isinstance(target, Standin):
            target.state = state
        elif not isinstance(target, dict):
            raise Refused(f"it gives a state to a {type(target).__name__}")

    def referred(self, to: Any) -> Any:
        """Nothing is outside. Raises Refused."""
        raise Refused("it refers to something outside of it")


def _dictionary(arguments: tuple[Any, ...], window: Window) -> dict[Any, Any]:
    if arguments:
        raise TypeError
    return {}


def _persistent(arguments: tuple[Any, ...], window: Window) -> Standin:
    """EDM's persistent objects: their meta has a class's source, which is left alone, its name, and the object's state."""
    (meta,) = arguments
    if meta["type"] != "class" or not isinstance(meta["class_name"], str):
        raise TypeError
    return Standin(meta["class_name"], (), meta["state"], persistent=True)


def _members(arguments: tuple[Any, ...], window: Window) -> set[Any]:
    (items,) = arguments or ([],)
    if not isinstance(items, list) or not all(isinstance(item, str | int) for item in items):
        raise TypeError
    return set(items)


def _first(arguments: tuple[Any, ...], window: Window) -> Tensor:
    if not isinstance(arguments[0], Tensor):
        raise TypeError
    return arguments[0]


CALLS: dict[str, Callable[[tuple[Any, ...], Window], Any]] = {
    "OrderedDict": _dictionary,
    "EasyDict": _dictionary,
    "set": _members,
    "frozenset": _members,
    "_reconstruct_persistent_obj": _persistent,
    "_load_from_bytes": storage,
    "_rebuild_tensor": rebuilt,
    "_rebuild_tensor_v2": rebuilt,
    "_rebuild_parameter": _first,
    "_rebuild_parameter_with_state": _first,
    "scalar": numpy_scalar,
}
"""The calls whose results are needed; another call's stand-in has its name and arguments."""

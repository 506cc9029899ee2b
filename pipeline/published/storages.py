"""The numbers of tensors within a pickle: bytes in torch's older file format, a few small pickles and then the numbers."""

from typing import Any, NamedTuple

from pipeline.published.machine import Machine, Name
from pipeline.published.window import Refused, Span, Window

MAGIC, FORMAT = 0x1950A86A20F9469CFC6C, 1001
KINDS: dict[str, tuple[int, str | None]] = {
    "Half": (2, "<f2"),
    "Float": (4, "<f4"),
    "Double": (8, "<f8"),
    "BFloat16": (2, "<u2"),
    "Byte": (1, None),
    "Char": (1, None),
    "Short": (2, None),
    "Int": (4, None),
    "Long": (8, None),
    "Bool": (1, None),
}
"""Bytes of a number, and NumPy's name of those that weights may be; bfloat16 is the upper half of a float32."""
MOST_OPERATIONS = 200
"""In each of the small pickles; they take about 40."""
STRANGE = "it has a tensor that is not in torch's format"


class Storage(NamedTuple):
    """Numbers in the file: torch's name of their kind, how many, and where."""

    kind: str
    numel: int
    start: int


class Storages:
    """The vocabulary of the small pickles: kinds of storages, and one reference to one of them."""

    def named(self, name: Name) -> Name:
        """A kind of storage. Raises Refused."""
        if name.module != "torch" or name.name.removesuffix("Storage") not in KINDS:
            raise Refused(f"it names {name} within a tensor: nothing of it was run")
        return name

    def called(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """Raises Refused."""
        raise Refused(f"it calls {function} within a tensor")

    made = called

    def build(self, target: Any, state: Any) -> None:
        """Raises Refused."""
        raise Refused(STRANGE)

    def referred(self, to: Any) -> Any:
        """Kind, key and number of the numbers. Raises Refused."""
        if type(to) is not tuple or len(to) < 5 or to[0] != "storage" or not isinstance(to[1], Name):
            raise Refused(STRANGE)
        kind, key, count = to[1].name.removesuffix("Storage"), to[2], to[4]
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise Refused(STRANGE)
        return kind, key, count


def storage(arguments: tuple[Any, ...], window: Window) -> Storage:
    """Where the numbers in such bytes are. Raises Refused for what is not exactly of that format."""
    (span,) = arguments
    if not isinstance(span, Span):
        raise Refused(STRANGE)
    inner = window.part(span)

    def pickled() -> Any:
        return Machine(inner, Storages(), MOST_OPERATIONS).run()

    if (pickled(), pickled()) != (MAGIC, FORMAT):
        raise Refused(STRANGE)
    system, told = pickled(), pickled()
    if not isinstance(system, dict) or system.get("little_endian") is not True or type(told) is not tuple or len(told) != 3:
        raise Refused(STRANGE)
    kind, key, count = told
    if kind not in KINDS or pickled() != [key] or inner.number(8) != count or inner.left != count * KINDS[kind][0]:
        raise Refused("it has a tensor whose numbers are not all there")
    window.resume()
    return Storage(kind, count, inner.place)

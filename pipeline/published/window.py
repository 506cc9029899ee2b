"""A part of a file that is read from its beginning to its end; nothing is read, or made room for, that is not there."""

from typing import IO, NamedTuple


class Refused(ValueError):
    """A file has what is not allowed; the message says what, in one line."""


class Span(NamedTuple):
    """Bytes that stay where they are: their place in the file, and how many."""

    start: int
    length: int


class Window:
    """The bytes from `start` to `end` of a file. Raises Refused where they end too early."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self.file, self.place, self.end = file, start, end
        file.seek(start)

    def read(self, count: int) -> bytes:
        """The next bytes."""
        self._claim(count)
        found = self.file.read(count)
        if len(found) < count:
            raise Refused("it is cut short")
        return found

    def number(self, size: int, signed: bool = False) -> int:
        """The next bytes as a little-endian number."""
        return int.from_bytes(self.read(size), "little", signed=signed)

    def line(self, longest: int) -> str:
        """The next line of text, without its end."""
        found = self.file.readline(min(longest, self.left) + 1)
        self._claim(len(found))
        if not found.endswith(b"\n"):
            raise Refused("it is cut short, or has a name that is too long")
        return text(found[:-1])

    def skip(self, count: int) -> Span:
        """Pass over the next bytes; gives where they are."""
        span = Span(self.place, count)
        self._claim(count)
        self.file.seek(self.place)
        return span

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self.place

    def resume(self) -> None:
        """Go on from here, after another window has read from the file."""
        self.file.seek(self.place)

    def part(self, span: Span) -> "Window":
        """Another window, on bytes of this file."""
        return Window(self.file, span.start, span.start + span.length)

    def _claim(self, count: int) -> None:
        if count > self.left:
            raise Refused(f"it is cut short: {count} more bytes are to come at byte {self.place}, and {self.left} do")
        self.place += count


def text(raw: bytes) -> str:
    """UTF-8 as text. Raises Refused."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Refused("it has a text that is no UTF-8") from None

"""The pickle format as data: its operations build lists, dictionaries, numbers, texts and inert stand-ins, and nothing else.

Python's own unpickler looks up what a file names and calls it. This one never looks anything up: what a file names is
held against a list, by its name alone (`pipeline.published.standins`), and what is not on it is refused. Bytes are not read but
noted with their place. Operations, sizes and keys are bounded, so that a small file cannot become a large structure.
"""

import pickle
import pickletools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pipeline.published.window import Refused, Window, text

MOST_OPERATIONS = 2_000_000
"""EDM's ImageNet-64 network takes half a million."""
LONGEST_TEXT = 1 << 22
"""Bytes; the longest are the sources of modules, which are never run."""
LONGEST_NUMBER, LONGEST_NAME = 64, 256
NEWEST = 5
"""Pickle protocol."""
SCALARS = str, int, float, bool, type(None)
"""Types of keys: to hash a tuple of tuples may take forever."""


class Name(NamedTuple):
    """A class or function that a file names."""

    module: str
    name: str

    def __str__(self) -> str:
        shown = f"{self.module}.{self.name}"
        return shown if shown.isprintable() and len(shown) <= 80 else repr(shown)[:80]


class Vocabulary(Protocol):
    """What a pickle may name, and what stands for it. All raise Refused for what is not allowed."""

    def named(self, name: Name) -> Name:
        """The name itself, where it is allowed."""

    def called(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """What stands for the result of a call."""

    def made(self, cls: Name, arguments: tuple[Any, ...]) -> Any:
        """What stands for a new object of a class."""

    def build(self, target: Any, state: Any) -> None:
        """Keep the state that an object would have got."""

    def referred(self, to: Any) -> Any:
        """What stands for something outside of the pickle."""


class Machine:
    """Reads a pickle. Raises Refused for what is broken, and for what has no business in a network's file."""

    def __init__(self, window: Window, vocabulary: Vocabulary, most: int = MOST_OPERATIONS) -> None:
        self.window, self.vocabulary, self.most = window, vocabulary, most
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the pickle describes; the window is left behind its end."""
        for _ in range(self.most):
            code = self.window.read(1)
            if code == pickle.STOP:
                return self.pop()
            act = OPERATIONS.get(code)
            if act is None:
                raise Refused(f"it has the pickle operation {_name(code)}, which is not allowed")
            act(self)
        raise Refused(f"it has more than {self.most} pickle operations")

    def pop(self) -> Any:
        """The last thing on the stack, which must be above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused("it is no valid pickle: its stack is empty")
        return self.stack.pop()

    def pop_marked(self) -> list[Any]:
        """Everything above the last mark."""
        if not self.marks:
            raise Refused("it is no valid pickle: a mark is missing")
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def top(self, kind: type) -> Any:
        """What is on top of the stack, and stays there."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Refused(f"it is no valid pickle: there is no {kind.__name__} where one must be")
        return self.stack[-1]

    def push(self, value: Any) -> None:
        """One more on the stack."""
        self.stack.append(value)

    def text(self, size: int) -> None:
        """A text whose length has so many bytes."""
        length = self.window.number(size)
        if length > LONGEST_TEXT:
            raise Refused(f"it has a text of {length} bytes, more than {LONGEST_TEXT}")
        self.push(text(self.window.read(length)))

    def data(self, size: int) -> None:
        """Bytes, whose length has so many bytes: their place."""
        self.push(self.window.skip(self.window.number(size)))

    def integer(self) -> None:
        length = self.window.number(1)
        if length > LONGEST_NUMBER:
            raise Refused(f"it has a number of {length} bytes, more than {LONGEST_NUMBER}")
        self.push(self.window.number(length, signed=True))

    def remember(self, index: int) -> None:
        if not self.stack:
            raise Refused("it is no valid pickle: its stack is empty")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise Refused("it is no valid pickle: it refers to what was not there")
        self.push(self.memo[index])

    def group(self, count: int) -> None:
        self.push(tuple(reversed([self.pop() for _ in range(count)])))

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def insert(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise Refused("it is no valid pickle: a key has no value")
        self.top(dict).update(_keyed(items))

    def add(self, items: list[Any]) -> None:
        self.top(set).update(map(_key, items))

    def set_one(self) -> None:
        value, key = self.pop(), self.pop()
        self.insert([key, value])

    def append_one(self) -> None:
        item = self.pop()
        self.append([item])

    def name(self) -> None:
        module, name = self.window.line(LONGEST_NAME), self.window.line(LONGEST_NAME)
        self.push(self.vocabulary.named(Name(module, name)))

    def name_on_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("it is no valid pickle: a name is no text")
        self.push(self.vocabulary.named(Name(module, name)))

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        self.push(self.vocabulary.called(_a_name(function), _a_tuple(arguments)))

    def new(self) -> None:
        arguments, cls = self.pop(), self.pop()
        self.push(self.vocabulary.made(_a_name(cls), _a_tuple(arguments)))

    def build(self) -> None:
        state = self.pop()
        self.vocabulary.build(self.top(object), state)

    def refer(self) -> None:
        self.push(self.vocabulary.referred(self.pop()))

    def drop(self) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop()

    def frame(self) -> None:
        self.window.number(8)  # how far a reader may read ahead

    def protocol(self) -> None:
        version = self.window.number(1)
        if version > NEWEST:
            raise Refused(f"it is of pickle protocol {version}; known are those up to {NEWEST}")


def _keyed(items: list[Any]) -> dict[Any, Any]:
    return {_key(key): value for key, value in zip(items[::2], items[1::2])}


def _key(value: Any) -> Any:
    if not isinstance(value, SCALARS):
        raise Refused(f"it has a key, or a member of a set, that is a {type(value).__name__}")
    return value


def _a_name(value: Any) -> Name:
    if not isinstance(value, Name):
        raise Refused(f"it calls a {type(value).__name__}")
    return value


def _a_tuple(value: Any) -> tuple[Any, ...]:
    if type(value) is not tuple:
        raise Refused("it is no valid pickle: arguments are no tuple")
    return value


def _name(code: bytes) -> str:
    known = [each.name for each in pickletools.opcodes if each.code.encode("latin1") == code]
    return known[0] if known else f"0x{code.hex()}"


def _pushes(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.push(value)


OPERATIONS: dict[bytes, Callable[[Machine], None]] = {
    pickle.PROTO: Machine.protocol,
    pickle.FRAME: Machine.frame,
    pickle.MARK: lambda machine: machine.marks.append(len(machine.stack)),
    pickle.POP: Machine.drop,
    pickle.POP_MARK: lambda machine: machine.pop_marked().clear(),
    pickle.NONE: _pushes(None),
    pickle.NEWTRUE: _pushes(True),
    pickle.NEWFALSE: _pushes(False),
    pickle.BININT: lambda machine: machine.push(machine.window.number(4, signed=True)),
    pickle.BININT1: lambda machine: machine.push(machine.window.number(1)),
    pickle.BININT2: lambda machine: machine.push(machine.window.number(2)),
    pickle.LONG1: Machine.integer,
    pickle.BINFLOAT: lambda machine: machine.push(struct.unpack(">d", machine.window.read(8))[0]),
    pickle.SHORT_BINUNICODE: lambda machine: machine.text(1),
    pickle.BINUNICODE: lambda machine: machine.text(4),
    pickle.BINUNICODE8: lambda machine: machine.text(8),
    pickle.SHORT_BINBYTES: lambda machine: machine.data(1),
    pickle.BINBYTES: lambda machine: machine.data(4),
    pickle.BINBYTES8: lambda machine: machine.data(8),
    pickle.BYTEARRAY8: lambda machine: machine.data(8),
    pickle.EMPTY_LIST: lambda machine: machine.push([]),
    pickle.EMPTY_DICT: lambda machine: machine.push({}),
    pickle.EMPTY_SET: lambda machine: machine.push(set()),
    pickle.EMPTY_TUPLE: _pushes(()),
    pickle.TUPLE1: lambda machine: machine.group(1),
    pickle.TUPLE2: lambda machine: machine.group(2),
    pickle.TUPLE3: lambda machine: machine.group(3),
    pickle.TUPLE: lambda machine: machine.push(tuple(machine.pop_marked())),
    pickle.LIST: lambda machine: machine.push(machine.pop_marked()),
    pickle.FROZENSET: lambda machine: machine.push(frozenset(map(_key, machine.pop_marked()))),
    pickle.APPEND: Machine.append_one,
    pickle.APPENDS: lambda machine: machine.append(machine.pop_marked()),
    pickle.SETITEM: Machine.set_one,
    pickle.SETITEMS: lambda machine: machine.insert(machine.pop_marked()),
    pickle.ADDITEMS: lambda machine: machine.add(machine.pop_marked()),
    pickle.BINPUT: lambda machine: machine.remember(machine.window.number(1)),
    pickle.LONG_BINPUT: lambda machine: machine.remember(machine.window.number(4)),
    pickle.MEMOIZE: lambda machine: machine.remember(len(machine.memo)),
    pickle.BINGET: lambda machine: machine.recall(machine.window.number(1)),
    pickle.LONG_BINGET: lambda machine: machine.recall(machine.window.number(4)),
    pickle.GLOBAL: Machine.name,
    pickle.STACK_GLOBAL: Machine.name_on_stack,
    pickle.REDUCE: Machine.reduce,
    pickle.NEWOBJ: Machine.new,
    pickle.BUILD: Machine.build,
    pickle.BINPERSID: Machine.refer,
}

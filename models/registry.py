"""The registry of everything that params.yaml may name by its kind, and what the settings of a kind are made of.

A kind lies in a file of its own: its settings, its function or class, and the line that registers it.
"""

import sys
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

T = TypeVar("T")

MOST = 1_000_000_000
"""Upper bound; anything larger is a typo."""
Count = Annotated[int, Field(ge=1, le=MOST)]
Plenty = Annotated[int, Field(ge=2, le=MOST)]
Positive = Annotated[float, Field(gt=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=1e-9, le=1e9)]
"""Of data or noise. Models compute in float32, which holds the squares of such numbers, and their ratios."""
Factor = Annotated[float, Field(gt=0, le=1e30)]
"""Of a score or of noise: a sampler applies it at every step."""


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, types are strict, numbers finite; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Entry(NamedTuple, Generic[T]):
    """A registered kind: its function, class, or whatever the registry is of; its section of params.yaml; where it lies."""

    value: T
    settings: type[Section]
    module: str


class Registry(MutableMapping[str, T]):
    """Kinds by their names. The program's own are read when they are asked for, each from the file of its name.

    Attributes:
        what: what the kinds are, in the plural, for people.
        where: the key that names one.
        home: the package with a module for each of the program's own kinds, or the module with all of them.
        default: the kind where none is named.
    """

    def __init__(self, what: str, where: str, home: str, default: str | None = None) -> None:
        self.what, self.where, self.home, self.default = what, where, home, default
        self._entries: dict[str, Entry[T]] = {}

    def register(self, name: str, settings: type[Section] = Section) -> Callable[[T], T]:
        """A decorator: the class or function is the kind `name`, and `settings` are its keys beside `kind`."""
        module = sys._getframe(1).f_globals["__name__"]

        def add(value: T) -> T:
            self._add(name, value, settings, module)
            return value

        return add

    def __setitem__(self, name: str, value: T) -> None:
        """The same for what is neither, and has no settings."""
        self._add(name, value, Section, sys._getframe(1).f_globals["__name__"])

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def entry(self, name: str) -> Entry[T]:
        """All that is known of a kind. Raises KeyError."""
        if name not in self._entries:
            self._read(_file_of(name))
        return self._entries[name]

    def module(self, name: str) -> str:
        """The module that registers a kind; one of the program's own is not read for it. Raises KeyError."""
        mine = f"{self.home}.{_file_of(name)}"
        if name not in self._entries and self._is_package and find_spec(mine) is not None:
            return mine
        return self.entry(name).module

    def __getitem__(self, name: str) -> T:
        return self.entry(name).value

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return iter(sorted(self._entries) if self._is_package else self._entries)

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def _is_package(self) -> bool:
        return hasattr(import_module(self.home), "__path__")

    def _read(self, module: str) -> None:
        """Read the module that has a kind, where there is one."""
        if not self._is_package:
            return
        name = f"{self.home}.{module}"
        if module.isidentifier() and find_spec(name) is not None:
            import_module(name)

    def _read_all(self) -> None:
        if self._is_package:
            for module in iter_modules(import_module(self.home).__path__):
                self._read(module.name)

    def _add(self, name: str, value: T, settings: type[Section], module: str) -> None:
        former = self._entries.get(name) or (None if self._is_mine(module) or name not in self else self._entries[name])
        if former is not None and self._is_mine(former.module) and former.module != module:
            raise ValueError(f"{self.where}: {name!r} is one of the program's own kinds: choose another name")
        if not (isinstance(settings, type) and issubclass(settings, Section)):
            raise TypeError(f"{self.where}: the settings of {name!r} must be a subclass of Section, got {settings!r}")
        title = "".join(part.title() for part in name.split("-")) + "Settings"
        kind: Any = (Literal[name], self.default if name == self.default else ...)
        whole: type[Section] = create_model(title, __base__=settings, __doc__=settings.__doc__, kind=kind)
        self._entries[name] = Entry(value, whole, module)

    def _is_mine(self, module: str) -> bool:
        return module == self.home or module.startswith(f"{self.home}.")


def _file_of(name: str) -> str:
    """The name of the module with a kind: `residual-mlp` is in residual_mlp, `dpm++2m` in dpmpp2m."""
    return name.replace("-", "_").replace("+", "p")


NETWORKS: Registry[Any] = Registry("networks", "network.kind", "models.networks")
"""Classes or functions of (shape of a sample, settings) that give a module F(x [B, ...], c_noise [B]) -> [B, ...]."""
SAMPLERS: Registry[Any] = Registry("samplers", "sampler.kind", "models.samplers", default="heun")
"""Functions of (denoise, unit Gaussian latents [B, ...], settings) that give samples [B, ...]."""

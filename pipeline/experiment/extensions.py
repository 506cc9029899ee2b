"""Python code of the user's own, named in params.yaml by `extensions`: it adds kinds to any of `pipeline.experiment.kinds`.

An entry is a file's path, in the project or outside it, or the name of a module that can be imported. It is run before
params.yaml is checked, in every process. A stage that uses a kind of it depends on the part of the file that makes the kind
(`pipeline.experiment.parts`), and on the files that it lists as `inputs`.
"""

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import Field

from pipeline.experiment.errors import BadInput, Broken, in_a_line

Extension = Annotated[str, Field(min_length=1)]
"""A Python file's path, or a module's name."""
INPUTS = "inputs"
"""The name, in an extension, of the list of files that it reads: paths from the project's root."""


_loaded: dict[str, dict[Path, str]] = {}
"""The digest of each extension's files as this process has run it."""
_places: set[Path] = set()
"""Where they lie, wherever this process works."""
_modules: dict[str, str] = {}
"""Each extension by its module's name."""


def extension_of(module: str) -> str | None:
    """The extension that a module belongs to; None for one of the program's own."""
    return next((each for name, each in _modules.items() if module == name or module.startswith(f"{name}.")), None)


def inputs_of(extension: str) -> list[Path]:
    """The files that an extension says it reads."""
    return list(_loaded[extension])[1:]


def changed(extensions: list[str]) -> Path | None:
    """The first of the extensions' files that is no longer what this process has run, if any."""
    known = [pair for extension in extensions for pair in _loaded.get(extension, {}).items()]
    return next((path for path, digest in known if _digest(path) != digest), None)


def files(extensions: list[str]) -> list[Path]:
    """The files that extensions which have been run consist of, and those that they read."""
    return [path for extension in extensions for path in _loaded.get(extension, {})]


def extend(extensions: Any, root: Path) -> None:
    """Run the extensions, each once a process. What is no list of texts is left alone.

    Raises BadInput for one that is not there, and with its file and line for one that fails.
    """
    for extension in extensions if isinstance(extensions, list) else []:
        if not isinstance(extension, str) or not extension or extension in _loaded:
            continue
        module = _run(extension, root)
        inputs = getattr(module, INPUTS, [])
        if not isinstance(inputs, list | tuple) or not all(isinstance(path, str) for path in inputs):
            raise BadInput(f"extensions: {extension}: inputs: {inputs!r} is not allowed: it must be a list of paths")
        read = [Path(path) for path in inputs]
        for path in read:
            if not (root / path).exists():
                raise BadInput(f"extensions: {extension}: inputs: there is no file {str(path)!r}")
        _loaded[extension] = {path: _digest(root / path) for path in (_place(extension, module), *read)}
        _places.add((root / _place(extension, module)).resolve())
        _modules[module.__name__] = extension


@contextmanager
def said_of(where: str) -> Iterator[None]:
    """Turn numbers that break, and errors in the user's own code, into Broken, which says where."""
    try:
        yield
    except (ArithmeticError, NotImplementedError) as error:
        raise Broken(f"{where}: {error}{_place_of(error)}") from error
    except Exception as error:
        if not (place := _place_of(error)):
            raise
        raise Broken(f"{where}: {type(error).__name__}: {in_a_line(error)}{place}") from error


def _place_of(error: BaseException) -> str:
    """Where in an extension an error comes from, as " (FILE, line N)"; nothing where it comes from elsewhere."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(Path(frame.filename).resolve().is_relative_to(each) for each in _places)
    ]
    return f" ({_short(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""


def _run(extension: str, root: Path) -> ModuleType:
    try:
        if not extension.endswith(".py"):
            return importlib.import_module(extension)
        path = root / extension
        if not path.is_file():
            raise BadInput(f"extensions: {extension!r} is not allowed: there is no such file (looked for {path.resolve()})")
        name = f"self_consuming_extension.{extension}"
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except BadInput:
        raise
    except ModuleNotFoundError as error:
        if error.name != extension.partition(".")[0] and error.name != extension:
            raise BadInput(f"extensions: {extension} fails{_where(error, extension)}: {in_a_line(error)}") from None
        text = "there is no such module; a file's path ends with .py"
        raise BadInput(f"extensions: {extension!r} is not allowed: {text}") from None
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"extensions: {extension} fails{_where(error, extension)}: {type(error).__name__}: {in_a_line(error)}"
        ) from None


def _where(error: BaseException, extension: str) -> str:
    """The file and line that an import failed at: the extension's own, where it has come that far."""
    if isinstance(error, SyntaxError):
        return f" ({_short(error.filename or '')}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    mine = [frame for frame in frames if Path(frame.filename).name == Path(extension).name]
    last = (mine or frames)[-1]
    return f" ({_short(last.filename)}, line {last.lineno})" if len(frames) > 1 else ""


def _place(extension: str, module: ModuleType) -> Path:
    """The file to depend on, as params.yaml names it, or where the module lies; a package's folder."""
    if extension.endswith(".py"):
        return Path(extension)
    return Path(module.__path__[0]) if hasattr(module, "__path__") else Path(str(module.__file__))


def _short(filename: str) -> Path:
    path = Path(filename)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _digest(path: Path) -> str:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

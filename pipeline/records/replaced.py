"""What stands in place of three of DVC's own functions in this program's processes: what a kill would break, and what is slow.

They are private names of the version that pyproject.toml pins.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.storage.files import write_text

REMEMBERED = 64
"""So many readings of params are kept."""


def replace() -> None:
    """Put them in their place, once."""
    import dvc.dependency.param
    import dvc.dvcfile
    import dvc.rwlock

    dvc.rwlock.rwlock, dvc.dvcfile.modify_yaml = _unlocked, _rewritten
    if not isinstance(dvc.dependency.param.read_param_file, _Remembering):
        dvc.dependency.param.read_param_file = _Remembering(dvc.dependency.param.read_param_file)


@contextmanager
def _unlocked(*_: Any, **__: Any) -> Iterator[None]:
    """In place of DVC's locks on paths: a file of process ids, which a kill may cut or leave behind, so that nothing works.

    Those who make a generation own its chain, and commits take turns, by locks that die with their owner.
    """
    yield


@contextmanager
def _rewritten(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """In place of DVC's way of changing a lock file in its place, where a kill would cut it: `dvc repro` would refuse it.

    A lock has no comments to be kept, and is read several times as fast without looking for any.
    """
    from dvc.utils.serialize import dumps_yaml

    file = Path(path)
    content = YAML(typ="safe").load(file) if file.exists() else {}
    yield content
    write_text(file, dumps_yaml(content))


class _Remembering:
    """In place of DVC's way of reading params, which it does three times to commit a stage: once for the same text and keys."""

    def __init__(self, read: Callable[..., Any]) -> None:
        self._read, self._known = read, dict[Any, Any]()

    def __call__(self, fs: Any, path: str, key_paths: list[str] | None = None, flatten: bool = False, **options: Any) -> Any:
        if fs.protocol != "local" or options:
            return self._read(fs, path, key_paths, flatten, **options)
        asked = path, Path(path).read_bytes(), tuple(key_paths or ()), flatten
        if asked not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[asked] = self._read(fs, path, key_paths, flatten)
        return deepcopy(self._known[asked])

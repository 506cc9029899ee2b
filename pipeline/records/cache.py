"""DVC's cache held against its names: DVC trusts whatever lies there, and would restore damaged bytes as the right ones."""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

log = logging.getLogger("self-consuming")
DIRECTORY = ".dir"
"""How the names of objects end that list a folder's files."""


def mend(cache: "HashFileDB", outputs: dict[Path, str]) -> None:
    """Drop the damaged objects among the outputs' (md5 by path); the workspace's file takes the place of what is not there.

    What neither has is stale for DVC, and so made anew. An object is read again only when its time or size has changed.
    """
    for path, md5 in outputs.items():
        _drop_dangling(path)
        there, dropped = _sound(cache, md5)
        if not there and md5_of(path) == md5:
            cache.add(str(path.resolve()), cache.fs, md5)
            log.warning("DVC's copy of %s was %s: taken anew from the file itself", path, "damaged" if dropped else "gone")
        elif dropped:
            log.warning("DVC's copy of %s was damaged and is dropped: what it was a copy of is made anew", path)
        elif there and md5.endswith(DIRECTORY):
            mend(cache, files_of(cache, {path: md5}))


def files_of(cache: "HashFileDB", outputs: dict[Path, str]) -> dict[Path, str]:
    """The outputs (md5 by path) with folders' files in place of the folders; without what the cache has no sound listing of."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    files = dict[Path, str]()
    for path, md5 in outputs.items():
        if not md5.endswith(DIRECTORY):
            files[path] = md5
            continue
        with suppress(FileNotFoundError, ObjectFormatError):
            files |= {path.joinpath(*key): info.value for key, _, info in Tree.load(cache, HashInfo("md5", md5))}
    return files


def md5_of(path: Path) -> str | None:
    """The md5 of a file's bytes, read and not remembered; None where there is no such file."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else None


def _drop_dangling(path: Path) -> None:
    """Remove links (DVC's `cache.type symlink`) whose file is gone: DVC would take them for what they were."""
    for link in path.rglob("*") if path.is_dir() else [path]:
        if link.is_symlink() and not link.exists():
            link.unlink()
            log.warning("%s was a link to a file that is gone: what it was is pulled or made anew", link)


def _sound(cache: "HashFileDB", md5: str) -> tuple[bool, bool]:
    """Whether an object is there with the bytes of its name, and whether it had others and has been removed for it."""
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.errors import ObjectFormatError

    try:
        HashFileDB.check(cache, md5)  # a local cache's own check looks at no bytes of write-protected files
    except FileNotFoundError:
        return False, False
    except ObjectFormatError:
        return False, True
    return True, False

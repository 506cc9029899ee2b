"""The store of a project that has been moved or copied: MLflow remembers whole paths, and would write to the old place."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACTS = Path("mlartifacts")
"""Where a project keeps pictures and tables, unless a server stores them."""


def bring_along(database: Path, others: bool = True) -> None:
    """Let the artifacts of all experiments that lie in another project's folder be those in this one's.

    Without `others` only where that folder is gone: a store of several projects. MLflow itself cannot change the places.
    """
    here = ARTIFACTS.resolve().as_uri()
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as store, store:
        for (there,) in store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall():
            if not there or there == here or not (there.startswith("file:") and there.endswith(f"/{ARTIFACTS}")):
                continue
            if others or not Path(unquote(urlsplit(there).path)).exists():
                length = len(there)
                store.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (here, there))
                store.execute(
                    "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                    (here, length + 1, length + 1, f"{there}/"),
                )

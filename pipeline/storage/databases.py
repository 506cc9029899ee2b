"""Empty databases for new stores of Prefect and MLflow: migrating one takes seconds, copying it none.

Each is migrated once for each version of its package on a machine and kept in the user's cache (`python -m
pipeline.storage.databases` does it beforehand).
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from platformdirs import user_cache_path

from pipeline.storage.files import write_bytes

MIGRATIONS: dict[str, tuple[list[str], dict[str, str]]] = {
    "prefect": (
        ["prefect", "server", "database", "upgrade", "-y"],
        {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///{}"},
    ),
    "mlflow": (["mlflow", "db", "upgrade", "sqlite:///{}"], {}),
}
"""Each package's own command, and its environment."""


def sqlite_url(path: Path, driver: str = "sqlite") -> str:
    """SQLAlchemy's URL of a database file, whatever is in its name: what looks like %2F there would be read as a slash."""
    return f"{driver}:///{quote(str(path.resolve()))}"


def template(package: str) -> Path:
    """The migrated empty database of this version of a package, made where it is missing.

    Raises OSError or CalledProcessError where it cannot be.
    """
    path = user_cache_path("self-consuming") / f"{package}-{version(package)}.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / "new.db"
            words, variables = MIGRATIONS[package]
            environment = os.environ | {key: value.format(made) for key, value in variables.items()}
            command = [sys.executable, "-m", *(word.format(made) for word in words)]
            subprocess.run(command, env=environment, check=True, capture_output=True)
            with closing(sqlite3.connect(made)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            made.replace(path)
    return path


def begin_with_template(package: str, target: Path) -> None:
    """Put a copy where there is no database yet; where that cannot be, the package migrates one itself."""
    if target.exists():
        return
    with suppress(OSError, subprocess.CalledProcessError, sqlite3.Error):
        copy = target.with_name(f"{target.name}.{os.getpid()}.partial")
        write_bytes(copy, template(package).read_bytes())
        with suppress(FileExistsError):  # another process was faster, and is using it already
            os.link(copy, target)
        copy.unlink()


if __name__ == "__main__":
    for name in MIGRATIONS:
        with suppress(OSError, subprocess.CalledProcessError, sqlite3.Error):  # no place to keep it
            print(template(name))

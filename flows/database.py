"""An empty database for a new Prefect server: migrating one takes longer than all else that a server does to start.

It is migrated once for each version of Prefect on a machine (`python -m flows.database`, or by the first server) and copied.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.files import write_bytes


def template() -> Path:
    """The migrated empty database of this version of Prefect, made where it is missing. Raises OSError where it cannot be."""
    from prefect import __version__

    path = user_cache_path("self-consuming") / f"prefect-{__version__}.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / "prefect.db"
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            environment = os.environ | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{made}"}
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            with closing(sqlite3.connect(made)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            made.replace(path)
    return path


def begin_with_template() -> None:
    """Give the server that this process is about to be a copy, where it would otherwise make a new SQLite database."""
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    target, url = settings.home / "prefect.db", settings.server.database.connection_url
    ours = url is not None and url.get_secret_value() == f"sqlite+aiosqlite:///{target}"
    if ours and not target.exists():
        with suppress(OSError, subprocess.CalledProcessError):  # then the server migrates one itself
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, template().read_bytes())


if __name__ == "__main__":
    with suppress(OSError, subprocess.CalledProcessError):  # no place to keep one: each server then migrates its own
        print(template())

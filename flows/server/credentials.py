"""A Prefect server that wants to know who asks."""

import os
import subprocess
import sys
from base64 import b64encode
from urllib.error import HTTPError
from urllib.request import Request

from pipeline.experiment.errors import BadInput
from pipeline.storage.loopback import DIRECTLY

GIVEN = "PREFECT_API_AUTH_STRING"
SETTING = (
    "from prefect.settings import get_current_settings; given = get_current_settings().api.auth_string;"
    " print(given.get_secret_value() if given else '')"
)
"""Asks Prefect in a process of its own: its settings are read once, and this one's are not complete yet."""


def check_credentials(api: str) -> None:
    """Raise BadInput where the server at the URL answers, but not to the credentials that this user has for it, if any."""
    if not _refuses(api, os.environ.get(GIVEN, "")):
        return
    asked = subprocess.run([sys.executable, "-c", SETTING], capture_output=True, text=True, check=False)
    known = asked.stdout.strip() or os.environ.get(GIVEN, "")  # of a profile or a file of settings
    if known and not _refuses(api, known):
        return
    wrong = "does not take those that it is given" if known else "is given none"
    raise BadInput(f"{GIVEN}: the Prefect server at {api} wants credentials and {wrong}; USER:PASSWORD is what it takes")


def _refuses(api: str, credentials: str) -> bool:
    """Whether the server says that it does not know who asks."""
    headers = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"} if credentials else {}
    try:
        with DIRECTLY.open(Request(f"{api}/admin/version", headers=headers), timeout=5):
            return False
    except HTTPError as error:
        return error.code in (401, 403) or (error.code == 500 and not credentials.isascii())  # Prefect compares ASCII alone
    except (OSError, ValueError):
        return False

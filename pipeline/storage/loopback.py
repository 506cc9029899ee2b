"""Servers on this machine are asked directly, whatever proxy the environment names for the rest of the world."""

import os
import socket
from urllib.request import ProxyHandler, build_opener

DIRECTLY = build_opener(ProxyHandler({}))
"""Asks a server without the detour over a proxy."""
HERE = "127.0.0.1", "localhost", "::1"
NAMES = "NO_PROXY", "no_proxy"
"""Of the two, some libraries look at one alone."""


def ask_directly() -> None:
    """Except this machine from the proxies of this process and its children."""
    given = [host.strip() for name in NAMES for host in os.environ.get(name, "").split(",") if host.strip()]
    if "*" not in given:
        os.environ |= dict.fromkeys(NAMES, ",".join(dict.fromkeys([*given, *HERE, socket.gethostname()])))

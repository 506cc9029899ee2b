"""Which version of the project this is, as git knows it."""

import subprocess

CODE = "models", "pipeline", "flows"


def commit() -> str | None:
    """The project's commit; None where there is none."""
    found = _git("rev-parse", "HEAD")
    return found.stdout.strip() if found.returncode == 0 else None


def changed() -> bool:
    """Whether the code is another than that of the commit."""
    return bool(_git("status", "--porcelain", "--", *CODE).stdout.strip())


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False)

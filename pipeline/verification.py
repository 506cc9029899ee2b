"""Recompute finished generations in a temporary folder and compare them with what is stored and what DVC recorded."""

import hashlib
import tempfile
from pathlib import Path

from pipeline import compute
from pipeline.layout import Chain, Layout
from pipeline.params import Params
from pipeline.steps import STEPS, Job
from pipeline.versioning import digests


def differences(params: Params, chain: Chain, generation: int) -> list[str]:
    """What does not agree in a committed generation, a line each: stored files against the lock, and a recomputation.

    Empty where everything agrees, to the byte.
    """
    folder = Layout(params.experiment).generation(chain, generation)
    recorded = digests(folder)
    found = [f"{folder / name}: differs from what DVC recorded" for name in recorded if _md5(folder / name) != recorded[name]]
    compute.fix_threads(params.engine.threads)
    with tempfile.TemporaryDirectory() as temporary:
        job = Job(params, chain, generation, Path(temporary))
        for step in job.strategy.steps:
            STEPS[step](job)
        for name in recorded:
            if _md5(job.work / name) != recorded[name]:
                found.append(f"{folder / name}: a recomputation gives other bytes")
    return found


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.exists() else None

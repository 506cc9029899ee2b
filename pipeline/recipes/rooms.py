"""The rooms whose code decides what the stages make; the files of the kinds that params.yaml names come on top."""

from functools import lru_cache
from pathlib import Path

from pipeline.experiment.parts import imported

DATA_CODE = "pipeline/data", "pipeline/experiment"
GENERATION_CODE = *DATA_CODE, "models/diffusion", "models/registry.py", "pipeline/generation"
DISTANCE_CODE = *DATA_CODE, "models/registry.py", "pipeline/distance"
JUDGING_CODE = *DISTANCE_CODE, "pipeline/judging", "pipeline/metrics"
EVERYWHERE = "pipeline/storage"
"""How files are written decides no content."""


@lru_cache(maxsize=256)
def with_imports(path: str) -> tuple[str, ...]:
    """A kind's file, and the program's files that it imports from, directly or not, but for those in the rooms above."""
    found = [path]
    for known in found:  # which grows
        if not Path(known).is_file():  # the program lies elsewhere
            continue
        files = [f"{name.replace('.', '/')}.py" for name in imported(Path(known).read_text(encoding="utf-8"))]
        rooms = (*GENERATION_CODE, *JUDGING_CODE, EVERYWHERE)
        found += [file for file in files if Path(file).is_file() and not file.startswith(rooms) and file not in found]
    return tuple(found)

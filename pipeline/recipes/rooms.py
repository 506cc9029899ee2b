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
    found = {path: None}
    if not Path(path).is_file():  # the program lies elsewhere
        return (path,)
    for name in imported(Path(path).read_text(encoding="utf-8")):
        file = f"{name.replace('.', '/')}.py"
        if Path(file).is_file() and not file.startswith((*GENERATION_CODE, *JUDGING_CODE, EVERYWHERE)):
            found |= dict.fromkeys(with_imports(file))
    return tuple(found)

"""What commands import: libraries that take long to load are left alone by those that need none."""

import subprocess
import sys
from pathlib import Path

from conftest import ROOT, Project

HEAVY = "torch", "prefect", "mlflow", "matplotlib"
SAYS = f"import sys; print('imported', *(name for name in {HEAVY} if name in sys.modules))"


def imported(code: str, folder: Path) -> set[str]:
    """The heavy libraries that a Python process has imported after the code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{SAYS}"], cwd=folder, check=True, capture_output=True, text=True)
    name, *found = done.stdout.splitlines()[-1].split()
    assert name == "imported"
    return set(found)


def given(*arguments: str) -> str:
    """The command line as code."""
    return f"""
import contextlib
from flows.cli import main
with contextlib.suppress(SystemExit):
    assert main({list(arguments)!r}) == 0
"""


def test_a_heavy_library_would_be_seen():
    assert imported("import torch", ROOT) == {"torch"}


def test_help_imports_no_heavy_library():
    assert imported(given("--help"), ROOT) == set()


def test_presets_are_read_and_checked_without_heavy_libraries():
    presets = sorted(f"presets/{path.name}" for path in (ROOT / "presets").glob("*.yaml"))
    assert presets
    read = "from pathlib import Path\nfrom pipeline.experiment.params import load\n"
    assert imported(f"{read}for preset in {presets}:\n    load(Path(preset), Path())", ROOT) == set()


def test_all_kinds_are_known_without_heavy_libraries():
    code = "from pipeline.experiment.kinds import *\nfrom pipeline.experiment import kinds\n" + "\n".join(
        f"assert len(kinds.{name})" for name in ("DATASETS", "NETWORKS", "SAMPLERS", "EXTRACTORS", "METRICS", "LOOPS", "HOOKS")
    )
    assert imported(code, ROOT) == set()


def test_status_and_a_run_with_nothing_to_do_import_no_heavy_library(finished: Project):
    for command in ("status", "run"):
        assert imported(given(command), finished.folder) == set(), command


def test_status_of_what_is_not_made_imports_no_heavy_library(tmp_path: Path):
    assert imported(given("status"), Project(tmp_path / "project").folder) == set()

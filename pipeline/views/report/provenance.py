"""The params that a table of results was made with, beside it: so a copy of the folder is whole."""

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.experiment.mapping import read_mapping
from pipeline.experiment.params import Params
from pipeline.records.cache import md5_of
from pipeline.storage.files import write_text
from pipeline.storage.layout import PARAMS

RESULTS = "collapse.csv"


def note_params(folder: Path, params: Params) -> None:
    """Write the params, as they were given, beside the folder's results, whose md5 they name."""
    text = StringIO()
    YAML().dump(params.raw, text)
    write_text(folder / PARAMS, _head(folder) + text.getvalue())


def noted_params(folder: Path) -> dict[str, Any] | None:
    """The params of the folder's results; None where there are none, or those of other results. Raises BadInput."""
    path = folder / PARAMS
    if not path.is_file() or not path.read_text(encoding="utf-8").startswith(_head(folder)):
        return None  # `dvc checkout` brings results, and not these
    return read_mapping(path)


def _head(folder: Path) -> str:
    return f"# {RESULTS} (md5 {md5_of(folder / RESULTS)}) was made with\n"

"""Parameters of a deployment that must be something that params.yaml has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from pipeline.experiment.errors import BadInput, as_value_error
from pipeline.experiment.params import Params, load
from pipeline.storage.layout import PARAMS

ROOT = Path(__file__).resolve().parents[1]


def project_root() -> Path:
    """The folder with params.yaml: the current one, or the one that this file belongs to."""
    return Path.cwd() if Path(PARAMS).exists() else ROOT


@dataclass(frozen=True)
class In:
    """Marks a type: its values must be among those of a section of params.yaml.

    Prefect's server, which knows the schema of the day on which the deployment was registered, refuses others when a run is
    asked for; today's params.yaml is asked before one starts.

    Attributes:
        section: a section with names, or a list of values.
        check: raises BadInput for what is not in it.
    """

    section: str
    check: Callable[[Params, Any], None]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        try:
            allowed = {"enum": list(getattr(load(project_root() / PARAMS), self.section))}
        except BadInput:  # to be said when a run is to start
            allowed = {}
        return handler(core) | allowed

    def _known(self, value: Any) -> Any:
        with as_value_error():
            self.check(load(project_root() / PARAMS), value)
        return value

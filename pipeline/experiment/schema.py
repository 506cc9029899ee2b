"""The JSON schema of params.yaml, with the settings of all kinds."""

import json
from typing import Any, Union

from pydantic import create_model

from pipeline.experiment.kinds import EXTRACTORS, HOOKS, LOOPS, METRICS, STRATEGIES, Registry
from pipeline.experiment.params import KINDED, Params, judged_by


def schema() -> str:
    """The JSON schema of params.yaml."""
    fields: dict[str, Any] = {name: (_any_of(registry), ...) for name, registry in KINDED.items()}
    fields["evaluation"] = (judged_by(_any_of(EXTRACTORS)), ...)
    whole = create_model("Params", __base__=Params, __doc__=Params.__doc__, **fields).model_json_schema()
    arm = whole["$defs"]["Arm"]["properties"]
    arm["loop"]["enum"], arm["strategy"]["enum"] = list(LOOPS), list(STRATEGIES)
    whole["$defs"]["HookCall"]["properties"]["name"]["enum"] = list(HOOKS)
    metrics = [METRICS.entry(name).settings.model_json_schema() for name in METRICS]
    whole["$defs"]["Evaluation"]["properties"]["metrics"]["items"] = {"anyOf": [{"enum": list(METRICS)}, *metrics]}
    return json.dumps(whole, indent=2)


def _any_of(registry: Registry[Any]) -> Any:
    """The settings of all kinds."""
    return Union[tuple(registry.entry(name).settings for name in registry)]  # noqa: UP007 (they are known only now)

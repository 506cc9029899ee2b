"""Everything that params.yaml and the files of studies may name, with its settings; the user's own included."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pipeline.hooks import HOOKS
from pipeline.loops import LOOPS
from pipeline.params import Params
from pipeline.sections import Evaluation, HookCall, Network, Section
from pipeline.steps import STEPS
from pipeline.strategies import STRATEGIES
from pipeline.studies.kinds import KINDS

WIDTH = 24


def listing() -> str:
    """A paragraph for each group of kinds: where it is named, then a line a kind with its settings or what it is."""
    datasets = get_args(Params.model_fields["data"].annotation)
    groups: dict[str, Mapping[str, str]] = {
        "data sets (data.kind)": {_choices(each, "kind")[0]: _settings(each) for each in datasets},
        "networks (network.kind)": dict.fromkeys(_choices(Network, "kind"), _settings(Network)),
        "extractors (evaluation.extractor)": dict.fromkeys(
            _choices(Evaluation, "extractor"), _settings(Evaluation, "extractor")
        ),
        "loops (arms.NAME.loop)": {name: _said(loop.mix) for name, loop in LOOPS.items()},
        "strategies (arms.NAME.strategy)": {name: ", ".join(strategy.steps) for name, strategy in STRATEGIES.items()},
        "steps (of strategies)": {name: _said(step) for name, step in STEPS.items()},
        f"hooks (arms.NAME.hook.name; settings: {_settings(HookCall, 'name')})": {
            name: _said(hook) for name, hook in HOOKS.items()
        },
        "study kinds (kind in studies/NAME/params.yaml)": {
            name: f"axes {', '.join(kind.axes)}; settings {_settings(kind.settings)}" for name, kind in KINDS.items()
        },
    }
    return "\n\n".join("\n".join([head, *_lines(kinds.items())]) for head, kinds in groups.items())


def _lines(kinds: Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {name:<{WIDTH}}{text}".rstrip() for name, text in kinds]


def _choices(section: type[Section], key: str) -> tuple[str, ...]:
    return get_args(section.model_fields[key].annotation)


def _settings(section: type[Section], beside: str = "kind") -> str:
    """The section's keys, those with a default as key=default."""
    fields = {name: field for name, field in section.model_fields.items() if name != beside}
    return ", ".join(name if field.is_required() else f"{name}={field.default}" for name, field in fields.items())


def _said(function: Any) -> str:
    """The first line of what a function says of itself."""
    return (function.__doc__ or "").strip().partition("\n")[0]

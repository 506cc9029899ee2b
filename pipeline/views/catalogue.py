"""Everything that params.yaml and the files of studies may name, with its settings; the user's own included."""

from typing import Any

from pipeline.experiment.arms import HookCall
from pipeline.experiment.extensions import extension_of
from pipeline.experiment.kinds import REGISTRIES, STUDIES, Registry, Section

WIDTH = 24


def listing() -> str:
    """A paragraph for each registry: where its kinds are named, then a line a kind with what it is set by, or what it is."""
    return "\n\n".join("\n".join([_head(registry), *_lines(registry)]) for registry in REGISTRIES)


def _head(registry: Registry[Any]) -> str:
    settings = f"; settings: {_settings(HookCall, 'name')}" if registry.where.endswith("hook.name") else ""
    return f"{registry.what} ({registry.where}{settings})"


def _lines(registry: Registry[Any]) -> list[str]:
    return [f"  {name:<{WIDTH}}{_said(registry, name)}".rstrip() for name in registry]


def _said(registry: Registry[Any], name: str) -> str:
    """The settings of a kind, else what it says of itself; and whose it is."""
    value, settings, module = registry.entry(name)
    if registry is STUDIES:
        axes = "any keys of params.yaml" if value.axes is None else ", ".join(value.axes)
        said = f"axes {axes}; settings {_settings(value.settings)}"
    else:
        said = _settings(settings) or ", ".join(getattr(value, "steps", ())) or _first_line(getattr(value, "mix", value))
    extension = extension_of(module)
    return f"{said} ({extension})" if extension else said


def _settings(section: type[Section], beside: str = "kind") -> str:
    """The section's keys, those with a default as key=default."""
    fields = {name: field for name, field in section.model_fields.items() if name != beside}
    defaults = {
        name: "" if field.is_required() else f"={field.get_default(call_default_factory=True)}"
        for name, field in fields.items()
    }
    return ", ".join(f"{name}{default}" for name, default in defaults.items())


def _first_line(value: Any) -> str:
    return (value.__doc__ or "").strip().partition("\n")[0]

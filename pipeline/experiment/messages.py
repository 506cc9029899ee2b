"""What is said of params that are not allowed: one line with key, value and what is allowed, from pydantic's errors."""

from typing import Any, get_args, get_origin

from pydantic import ValidationError

from pipeline.experiment.kinds import Section
from pipeline.experiment.patterns import ADDRESS, DEVICE, DIGEST, NAME, PRESET

BRANCHES = "literal['auto']", "constrained-int", "constrained-float", "int", "[key]", "SampleRule", "PowerAverage"
"""Pydantic's own words for the branches of a union, which are no keys of the file."""

PATTERNS = {
    NAME: "it must be a name of lower-case letters, digits and hyphens that begins with a letter or a digit",
    DEVICE: "it must be auto, cpu, cuda or cuda:N",
    ADDRESS: "it must be auto, local or HOST:PORT",
    DIGEST: "it must be a SHA-256 digest: 64 hexadecimal digits in lower case",
    PRESET: "it must be the name of a preset, or a file whose name ends with .yaml",
}
"""What they let through, in words."""


def said(error: ValidationError, model: type[Section]) -> str:
    """The first of the errors that a model has found in a mapping, and how many more keys are wrong."""
    errors: list[Any] = sorted(error.errors(include_url=False), key=_rank)
    errors = [each for each in errors if _rank(each) < 2] or errors
    same = [each for each in errors if _key(each) == _key(errors[0])]
    same = [each for each in same if _rank(each) == _rank(same[0])]
    others = len([each for each in errors if _key(each) != _key(errors[0])])
    return f"{_describe(same, model)}{f' (and {others} more)' * (others > 0)}"


def _rank(error: Any) -> int:
    """An unknown key comes first, and last that a section is no number, where it could have been one."""
    no_number = isinstance(error["input"], dict) and error["type"].startswith(("int", "float"))
    return 0 if error["type"] == "extra_forbidden" else 2 if no_number else 1


def _key(error: Any) -> str:
    """The dotted key that an error is about, without pydantic's own words for the branches of a union."""
    parts = list(error["loc"])
    names = [
        str(part)
        for part in parts
        if part not in BRANCHES and not str(part).startswith(("literal[", "list[")) and "(" not in str(part)
    ]
    return ".".join(name if name.isprintable() else repr(name) for name in names)


def _describe(errors: list[Any], model: type[Section]) -> str:
    """One line about the errors of one key: the branches of a union each give one."""
    error, key = errors[0], _key(errors[0])
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return f"{key}: is missing; it is needed (self-consuming schema says what is allowed)"
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {short(value)}); allowed are {_allowed(error['loc'], model)}"
    if kind == "value_error":
        return f"{key + ': ' if key else ''}{error['ctx']['error']}"
    allowed = " or ".join(dict.fromkeys(map(_wanted, errors)))
    return f"{key}: {short(value)} is not allowed: {allowed}"


def _wanted(error: Any) -> str:
    """What is allowed: pydantic's words, but for patterns, classes and long numbers, which say little to most readers."""
    pattern = error.get("ctx", {}).get("pattern")
    if pattern in PATTERNS:
        return PATTERNS[pattern]
    if error["type"] in ("model_type", "dict_type"):
        return "it must be a section of keys and values"
    text = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    bound = next((value for key, value in error.get("ctx", {}).items() if key in ("ge", "gt", "le", "lt")), None)
    return f"{text.rpartition(' ')[0]} {bound:g}" if isinstance(bound, float) else text


def _allowed(where: tuple[Any, ...], model: type[Section]) -> str:
    """The keys of the section in which an unknown key stands, found along the error's way."""
    sections: list[type[Section]] = [model]
    parts = iter(where[:-1])
    for part in parts:
        known = [section for section in sections if part in section.model_fields]
        if known:
            annotation = known[0].model_fields[part].annotation
            sections = _sections_in(annotation)
            if get_origin(annotation) is dict:
                next(parts)  # a name that the user has given
        else:  # pydantic's word for the branch of a union: the class's name in a longer text
            sections = [each for each in sections if each.__name__ in part]
    return ", ".join(sorted(sections[0].model_fields, key=lambda name: name != "kind"))


def _sections_in(annotation: Any) -> list[type[Section]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]


def short(value: Any) -> str:
    """A value as it is said: on one line, and not longer than that."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of so many digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."

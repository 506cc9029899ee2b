"""The values of an axis: a list, or a range from one number to another; and what they are called, in names and in words."""

import hashlib
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

STEP, FACTOR = {"from", "to", "step"}, {"from", "to", "factor"}
MANY = 10_000
"""More values than this are no axis but a slip of the pen."""
SAFE = re.compile(r"[A-Za-z0-9._+-]+")
LONGEST = 150
"""Characters of a point's name; most file systems take 255."""


def expanded(given: Any) -> Any:
    """A range's values, {from, to, step} or {from, to, factor}, both ends included; anything else as it is.

    Whole numbers stay whole, and decimals are computed as such, so that 0.1 to 0.5 by 0.1 has 0.3. Raises ValueError.
    """
    if not isinstance(given, dict):
        return given
    if set(given) not in (STEP, FACTOR):
        raise ValueError("it must be a list of values, or a range: {from, to, step} or {from, to, factor}")
    numbers = list(given.values())
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < 1e300 for each in numbers):
        raise ValueError("a range's values must be finite numbers")
    start, end = Decimal(str(given["from"])), Decimal(str(given["to"]))
    if end < start:
        raise ValueError("a range must not end below its beginning: to is less than from")
    if "step" in given and given["step"] <= 0:
        raise ValueError("a range's step must be above 0")
    if "factor" in given and (given["factor"] <= 1 or start <= 0):
        raise ValueError("a range with a factor needs a factor above 1, and from above 0")
    whole = all(isinstance(each, int) for each in numbers)
    return [int(value) if whole else float(value) for value in _between(given, start, end)]


def _between(given: dict[str, Any], start: Decimal, end: Decimal) -> Iterator[Decimal]:
    value, made = start, 0
    while value <= end * (1 + Decimal("1e-12")) if end > 0 else value <= end:
        made += 1
        if made > MANY:
            raise ValueError(f"a range of more than {MANY} values is not allowed")
        yield value
        value = value + Decimal(str(given["step"])) if "step" in given else value * Decimal(str(given["factor"]))


def part(value: Any) -> str:
    """A value as a part of a file's name: what is more than a word or a number ends with a short hash."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    text = str(value)
    if isinstance(value, int | float) or (isinstance(value, str) and SAFE.fullmatch(value)):
        return text
    return f"{re.sub(r'[^A-Za-z0-9.]+', '_', words(value)).strip('_')[:30]}-{_hash(value)}"


def named(at: dict[str, Any]) -> str:
    """A point's name with the names of its axes, as in "train.steps=100-seed=0": the same wherever else points are."""
    name = "-".join(f"{axis}={part(value)}" for axis, value in at.items())
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 11]}-{_hash(at)}"


def words(value: Any) -> str:
    """A value as it is read, as in "name: towards-the-mean, strength: 0.5"."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(words, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]

"""Rows of metrics, as they lie in metrics.json."""

from typing import Any


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row; those of a list have their place in the name, as mode_shares.07."""
    flat = {key: value for key, value in row.items() if isinstance(value, int | float)}
    for key, values in row.items():
        if isinstance(values, list):
            flat |= {f"{key}.{place:02d}": value for place, value in enumerate(values) if isinstance(value, int | float)}
    return flat


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the numbers of its lists in place of the lists."""
    return {key: value for key, value in row.items() if not isinstance(value, list)} | numbers(row)

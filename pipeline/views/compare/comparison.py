"""What of several experiments may stand on one axis, what differs between their params, and their verdicts side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.experiment.sections import by_name
from pipeline.judging.evaluation import COMPARED
from pipeline.views.compare.sides import Side

OF = "of"
"""The column that says which of the experiments a row is of."""
TRUTH = "truth"
"""The reference of points whose distribution is known: params.yaml alone says which."""
NUMBERS = ("fid", "factor", "growth", "slope")
"""Of an arm's verdict."""
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Experiments side by side.

    Attributes:
        sides: all of them, the first of which is the yardstick.
        rows: the rows of those whose values are comparable, with the column `of`.
        left_out: why the others are not on the curves, a sentence each, by label.
        notes: what else is to be known of the curves.
    """

    sides: Sequence[Side]
    rows: pd.DataFrame
    left_out: dict[str, str]
    notes: list[str]

    @property
    def shown(self) -> list[Side]:
        """The sides that are on the curves."""
        return [side for side in self.sides if side.label not in self.left_out]


def compared(sides: Sequence[Side]) -> Comparison:
    """Those judged as the first one with results was, on one axis; the others are left out, and it is said why."""
    first = next((side for side in sides if len(side.results)), sides[0])
    left_out, notes = dict[str, str](), list[str]()
    for side in sides:
        if side.results.empty:
            left_out[side.label] = f"{side.label} has no finished generation"
        elif differs := _judged_otherwise(first, side):
            left_out[side.label] = f"{side.label} is not on the curves, since its values cannot be compared: {differs}"
        elif count(side) != count(first):
            counts = f"{count(side)} samples a generation, and not {count(first)} as {first.label}"
            notes.append(f"{side.label} is judged by {counts}: FID of fewer samples comes out higher")
    parts = [side.results.assign(**{OF: side.label}) for side in sides if side.label not in left_out]
    rows = pd.concat(parts, ignore_index=True) if parts else first.results.assign(**{OF: first.label})
    return Comparison(sides, rows[[OF, *(name for name in rows.columns if name != OF)]], left_out, notes)


def count(side: Side) -> str:
    """By how many samples a generation is judged; several numbers where they differ."""
    found = side.results["n_samples"].dropna() if "n_samples" in side.results else pd.Series(dtype=float)
    return " or ".join(f"{number:.0f}" for number in sorted(found.unique()))


def judged_by(side: Side) -> str:
    """The extractor and the reference that a side's values are of, in words."""
    if side.results.empty:
        return ""
    extractor, reference = (_only(side, key) for key in COMPARED)
    return f"{extractor} against {reference}, {count(side)} samples"


def differences(sides: Sequence[Side]) -> pd.DataFrame:
    """The params that are not the same in all: a row a dotted key, a column a side, "" where a side does not give it."""
    given = {side.label: _flat(side.params) for side in sides}
    keys = [key for key in dict.fromkeys(key for flat in given.values() for key in flat) if key != "experiment"]
    rows = {key: [flat.get(key, "") for flat in given.values()] for key in keys}
    differing = {key: values for key, values in rows.items() if any(value != values[0] for value in values)}
    return pd.DataFrame.from_dict(differing, orient="index", columns=list(given), dtype=object)


def verdicts(comparison: Comparison) -> list[dict[str, Any]]:
    """A row an arm of each side: how far it is, its verdict, and the numbers that it rests on."""
    rows = []
    for side in comparison.sides:
        for arm, of_arm in side.results.groupby("arm", sort=False):
            said = side.verdicts.get(str(arm), {})
            made = {"of": side.label, "arm": arm, "seeds": of_arm["seed"].nunique(), "generations": of_arm["generation"].max()}
            made |= {"verdict": said.get("verdict", ""), "judged_by": judged_by(side), "shown": side in comparison.shown}
            rows.append(made | {name: said.get(name) for name in NUMBERS})
    return rows


def answer(comparison: Comparison) -> str:
    """Which arm of which experiment ends nearest to the real distribution, and which farthest, in a sentence."""
    ends = [row for row in verdicts(comparison) if row["shown"] and row["fid"] is not None]
    if not ends:
        return "None of them has a generation that could be compared."
    ends.sort(key=lambda row: row["fid"])
    low, high = (f"{row['arm']} of {row['of']} ({row['fid']:.3g})" for row in (ends[0], ends[-1]))
    return f"The FID of the end is lowest for {low}" + (f" and highest for {high}." if len(ends) > 1 else ".")


def _judged_otherwise(first: Side, side: Side) -> str:
    """In what the judging of two sides differs so that their values are not comparable, in words; nothing where in nothing."""
    truth = TRUTH in (_only(side, COMPARED[1]), _only(first, COMPARED[1]))
    for key in COMPARED if truth else (*COMPARED, "n_reference"):
        mine, theirs = _only(side, key), _only(first, key)
        if mine != theirs:
            return f"its {key} is {mine or 'not known'}, and that of {first.label} is {theirs or 'not known'}"
    if truth and _data(side.params) != _data(first.params):
        return f"its real distribution is another than that of {first.label} (data in params.yaml)"
    kind, extractor = _extractor(side.params).get("kind"), _extractor(side.params)
    if kind == _only(first, COMPARED[0]) and extractor != _extractor(first.params):  # a name without a digest
        return f"its extractor has other settings than that of {first.label}"
    return ""


def _only(side: Side, key: str) -> str:
    """What all rows of a side have in a column; nothing where they have none."""
    values = side.results[key].dropna().unique() if key in side.results else []
    return " or ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(values))


def _data(params: Params) -> dict[str, Any]:
    """What decides the real distribution."""
    data = params.get("data")
    return {key: value for key, value in data.items() if key != "n_real"} if isinstance(data, dict) else {}


def _extractor(params: Params) -> dict[str, Any]:
    given = by_name((params.get("evaluation") or {}).get("extractor"))
    return given if isinstance(given, dict) else {}


def _flat(params: Params, above: str = "") -> dict[str, Any]:
    """The values by their dotted keys; lists as they are."""
    flat = dict[str, Any]()
    for key, value in params.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) and value else {f"{above}{key}": value}
    return flat

"""Sections of params.yaml that are none, or of a kind that is none: one line, wherever the file is read."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import parse

SMOKE = YAML(typ="safe").load(Path("presets/smoke.yaml").read_text())


@pytest.mark.parametrize("section", ["network", "sampler", "data"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (5, "{section}: 5 is not allowed: it must be a section, with its kind"),
        (None, "{section}: None is not allowed: it must be a section, with its kind"),
        ([1], "{section}: [1] is not allowed"),
        ({"kind": "nope"}, "{section}.kind: 'nope' is not allowed: one of "),
        ({"kind": "../x"}, "{section}.kind: '../x' is not allowed: one of "),
        ({"kind": [1]}, "{section}.kind: [1] is not allowed: one of "),
        ({"kind": 7}, "{section}.kind: 7 is not allowed: one of "),
    ],
    ids=str,
)
def test_a_section_that_is_none_or_of_no_kind_is_refused(section: str, value: object, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(deepcopy(SMOKE) | {section: value})
    assert says.format(section=section) in str(refused.value)


def test_a_kind_that_is_missing_is_said() -> None:
    with pytest.raises(BadInput, match=r"network\.kind: is missing"):
        parse(deepcopy(SMOKE) | {"network": {"width": 32}})


def test_an_extractor_of_no_kind_is_refused() -> None:
    with pytest.raises(BadInput, match=r"evaluation\.extractor: 5 is not allowed: one of "):
        parse(deepcopy(SMOKE) | {"evaluation": {"extractor": {"kind": 5}, "n": 1000}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"engine": 5}, "engine: 5 is not allowed: it must be a section of keys and values"),
        ({"n_synthetic": 10**20}, "or it must be a section of keys and values"),
        (
            {"sampler": SMOKE["sampler"] | {"zeta": 1e39}},
            "zeta: 1e+39 is not allowed: input should be less than or equal to 1e+30",
        ),
    ],
    ids=["class", "branches", "number"],
)
def test_what_is_allowed_is_said_without_the_names_of_classes_and_rows_of_zeros(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(deepcopy(SMOKE) | change)
    said = str(refused.value)
    assert "instance of" not in said
    assert "0000000000000000" not in said.partition("is not allowed")[2]
    assert says in said

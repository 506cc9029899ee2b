"""The experiment: `params.yaml`, validated and frozen.

The keys are declared in `pipeline.sections`; `schema()` prints the same as a JSON schema.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from pipeline.errors import BadInput
from pipeline.extensions import Extension, extend
from pipeline.loops import LOOPS
from pipeline.mapping import read_mapping
from pipeline.sections import (
    MOST,
    Arm,
    Auxiliary,
    DigitsData,
    Engine,
    Evaluation,
    GaussianData,
    Generations,
    MixtureData,
    Name,
    Network,
    Noise,
    Sampler,
    Samples,
    Section,
    Seed,
    Training,
)

DIGITS, MIN_REFERENCE = 1797, 150
"""scikit-learn's digits, and how many must be left to report by."""

TAKEN = {"gallery": "the README's pictures", "studies": "the pages of studies"}
"""Folders of reports that are no experiment's."""


class Params(Section):
    """The whole experiment."""

    experiment: Name
    seeds: Annotated[list[Seed], Field(min_length=1)]
    generations: Generations
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:(0|[1-9]\d?))?)$")]
    data: Annotated[GaussianData | MixtureData | DigitsData, Field(discriminator="kind")]
    n_synthetic: Samples
    network: Network
    noise: Noise
    train: Training
    auxiliary: Auxiliary
    sampler: Sampler
    evaluation: Evaluation
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    engine: Engine
    remote: Annotated[str, Field(min_length=1)] | None = None
    extensions: list[Extension] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "Params":
        points = self.data.kind != "digits"
        if points != (self.evaluation.extractor == "identity"):
            fitting = "identity" if points else "classifier"
            given = self.evaluation.extractor
            raise ValueError(
                f"evaluation.extractor: {given!r} is not allowed: it must be {fitting} for data.kind {self.data.kind}"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ from each other, got {self.seeds}")
        reserved = {"base", "chained", "code", "compare", "data", "planned"} & set(self.arms)
        if reserved:
            raise ValueError(f"arms must not be called {', '.join(sorted(reserved))}: the name is taken")
        if self.experiment in TAKEN:
            taken = f"reports/{self.experiment} holds {TAKEN[self.experiment]}"
            raise ValueError(f"experiment: {self.experiment!r} is not allowed: {taken}")
        held_out = self.evaluation.selection or 0
        if isinstance(self.data, DigitsData) and self.data.n_real + held_out > DIGITS - MIN_REFERENCE:
            raise ValueError(
                f"evaluation.selection: {held_out} is not allowed: it leaves too few of the {DIGITS} digits to report by"
            )
        for name, arm in self.arms.items():
            self._check_arm(name, arm, points)
        return self

    def _check_arm(self, name: str, arm: Arm, points: bool) -> None:
        strange = set(arm.seeds or []) - set(self.seeds)
        if strange:
            raise ValueError(f"arms.{name}.seeds: {min(strange)} is not allowed: seeds has {', '.join(map(str, self.seeds))}")
        if len(set(arm.seeds or [])) != len(arm.seeds or []):
            raise ValueError(f"arms.{name}.seeds must differ from each other, got {arm.seeds}")
        if LOOPS[arm.loop].fresh and not points:
            raise ValueError(f"arms.{name}.loop: {arm.loop!r} is not allowed: data.kind {self.data.kind} has no fresh data")
        if arm.guidance == "auto" and self.evaluation.selection is None:
            raise ValueError("evaluation.selection: is missing; guidance auto chooses by so many held-out real samples")
        handed_on = [self.handed_on(name, generation) for generation in range(1, self.length(name) + 1)]
        if max(handed_on) > MOST:
            raise ValueError(
                f"arms.{name}.n_synthetic: more than {MOST} samples are not allowed; its rule gives more in generation"
                f" {next(number for number, n in enumerate(handed_on, 1) if n > MOST)} (at_most limits it)"
            )
        given = min(handed_on)
        if arm.synthetic_share and given < round(arm.synthetic_share * self.data.n_real):
            raise ValueError(
                f"arms.{name}.synthetic_share: {arm.synthetic_share:g} is not allowed: of n_real {self.data.n_real} that is"
                f" more than n_synthetic, {given}"
            )
        for key in ("width", "depth"):
            size, most = getattr(arm.guide, key, None), getattr(self.network, key)
            if size is not None and size > most:
                raise ValueError(f"arms.{name}.guide.{key}: {size} is not allowed: network.{key} is {most}")

    @property
    def fingerprint(self) -> str:
        """A short hash of everything, to see whether params.yaml has changed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def length(self, arm: str) -> int:
        """How many generations the arm's chains have."""
        return self.arms[arm].generations or self.generations

    def handed_on(self, arm: str, generation: int) -> int:
        """How many samples of a generation may enter the training sets of later ones."""
        rule = self.arms[arm].n_synthetic or self.n_synthetic
        if isinstance(rule, int):
            return rule
        start = rule.start if rule.start is not None else (rule.times_real or 0) * self.data.n_real
        most = rule.at_most or MOST + 1
        grown = math.log(start) + (generation - 1) * math.log(rule.factor)  # the number itself may be beyond all numbers
        if grown > math.log(most):
            return most
        try:
            return min(most, max(1, round(start * rule.factor ** (generation - 1))))
        except OverflowError:  # the power alone is beyond all numbers
            return min(most, max(1, round(math.exp(grown))))


def load(path: Path, root: Path | None = None) -> Params:
    """Read and check a params file, whose project is `root` or the folder that it lies in.

    Raises BadInput with one line: which key, which value, what is allowed.
    """
    raw = read_mapping(path)
    extend(raw.get("extensions"), root or path.parent)
    return parse(raw, path.name)


def parse(raw: dict[str, Any], source: str = "params") -> Params:
    """Check a params mapping; the errors name `source`."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        errors: list[Any] = sorted(error.errors(include_url=False), key=_rank)
        same = [each for each in errors if _key(each) == _key(errors[0])]
        same = [each for each in same if _rank(each) == _rank(same[0])]
        others = len([each for each in errors if _key(each) != _key(errors[0])])
        raise BadInput(f"{source}: {_describe(same)}{f' (and {others} more)' * (others > 0)}") from None


def schema() -> str:
    """The JSON schema of params.yaml."""
    from pipeline.strategies import STRATEGIES

    whole = Params.model_json_schema()
    arm = whole["$defs"]["Arm"]["properties"]
    arm["loop"]["enum"], arm["strategy"]["enum"] = list(LOOPS), list(STRATEGIES)
    return json.dumps(whole, indent=2)


BRANCHES = "literal['auto']", "constrained-int", "constrained-float", "int", "[key]", "SampleRule"
"""Pydantic's own words for the branches of a union, which are no keys of the file."""


def _rank(error: Any) -> int:
    """An unknown key comes first, and last that a section is no number, where it could have been one."""
    return 0 if error["type"] == "extra_forbidden" else 2 if isinstance(error["input"], dict) and "int" in error["type"] else 1


def _key(error: Any) -> str:
    """The dotted key that an error is about, without pydantic's own words for the branches of a union."""
    parts = list(error["loc"])
    if len(parts) > 1 and parts[0] == "data":
        del parts[1]  # the kind, which is no level of the file
    if error["type"].startswith("union_tag"):
        parts.append("kind")
    names = [str(part) for part in parts if part not in BRANCHES and "(" not in str(part)]
    return ".".join(name if name.isprintable() else repr(name) for name in names)


def _describe(errors: list[Any]) -> str:
    """One line about the errors of one key: the branches of a union each give one."""
    error, key = errors[0], _key(errors[0])
    kind, value = error["type"], error["input"]
    if kind in ("missing", "union_tag_not_found"):
        return f"{key}: is missing; it is needed (self-consuming schema says what is allowed)"
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {_short(value)}); allowed are {_allowed(error['loc'])}"
    if kind == "value_error":
        return f"{key + ': ' if key else ''}{error['ctx']['error']}"
    if kind == "union_tag_invalid":
        return f"{key}: {_short(value['kind'])} is not allowed: one of {error['ctx']['expected_tags']}"
    allowed = " or ".join(f"{each['msg'][0].lower()}{each['msg'][1:]}" for each in errors)
    return f"{key}: {_short(value)} is not allowed: {allowed}"


def _allowed(where: tuple[Any, ...]) -> str:
    """The keys of the section in which an unknown key stands, found along the error's way."""
    sections: list[type[Section]] = [Params]
    parts = iter(where[:-1])
    for part in parts:
        known = [section for section in sections if part in section.model_fields]
        if known:
            annotation = known[0].model_fields[part].annotation
            sections = _sections_in(annotation)
            if get_origin(annotation) is dict:
                next(parts)  # a name that the user has given
        else:  # pydantic's word for the branch of a union: a tag, or the class's name in a longer text
            sections = [each for each in sections if part in _tags(each) or each.__name__ in part]
    return ", ".join(sections[0].model_fields)


def _sections_in(annotation: Any) -> list[type[Section]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]


def _tags(section: type[Section]) -> tuple[Any, ...]:
    """What `kind` is in a section that is chosen by it."""
    return get_args(section.model_fields["kind"].annotation) if "kind" in section.model_fields else ()


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of so many digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."

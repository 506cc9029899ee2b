"""The experiment: `params.yaml`, validated and frozen.

The keys are declared in `pipeline.experiment.sections`; `pipeline.experiment.schema` prints the same as a JSON schema.
"""

import hashlib
import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, create_model, model_validator

from models.diffusion.settings import SamplerSettings
from pipeline.experiment.arms import Arm, Samples
from pipeline.experiment.budgets import Auxiliary, Training
from pipeline.experiment.errors import BadInput
from pipeline.experiment.extensions import Extension, extend
from pipeline.experiment.keeping import Keep
from pipeline.experiment.kinds import (
    DATASETS,
    EXTRACTORS,
    LOOPS,
    MOST,
    NETWORKS,
    SAMPLERS,
    Registry,
    Section,
)
from pipeline.experiment.mapping import read_mapping
from pipeline.experiment.messages import said, short
from pipeline.experiment.patterns import DEVICE
from pipeline.experiment.sections import (
    Base,
    DataSettings,
    Engine,
    Evaluation,
    Generations,
    Labels,
    Name,
    Noise,
    Seed,
    by_name,
    kind_of,
)

TAKEN = {"compare": "comparisons", "gallery": "the README's pictures", "studies": "the pages of studies"}
"""Folders of reports that are no experiment's."""


class Params(Section):
    """The whole experiment. The sections of kinds are those of the kinds that it names (`model_of`)."""

    experiment: Name
    seeds: Annotated[list[Seed], Field(min_length=1)]
    generations: Generations
    device: Annotated[str, Field(pattern=DEVICE)]
    data: DataSettings
    labels: Labels | None = None
    n_synthetic: Samples
    network: Any
    noise: Noise
    base: Base | None = None
    train: Training
    auxiliary: Auxiliary
    sampler: SamplerSettings
    evaluation: Evaluation
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    engine: Engine
    keep: Keep | None = None
    remote: Annotated[str, Field(min_length=1)] | None = None
    extensions: list[Extension] | None = None
    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def kind(self, section: str) -> str:
        """The kind that a section names."""
        return str(self._raw[section].get("kind", KINDED[section].default))

    @property
    def raw(self) -> dict[str, Any]:
        """The values as they are in the file, and as DVC reads them."""
        return self._raw

    @model_validator(mode="after")
    def _fits_together(self) -> "Params":
        if self.evaluation.extractor.needs_labels and not self.data.has_labels:
            given, data = kind_of(self.evaluation.extractor), kind_of(self.data)
            raise ValueError(f"evaluation.extractor: {given!r} is not allowed: data.kind {data} has no labels to learn from")
        if self.evaluation.extractor.needs_images and self.data.has_truth:
            given, data = kind_of(self.evaluation.extractor), kind_of(self.data)
            raise ValueError(f"evaluation.extractor: {given!r} is not allowed: data.kind {data} has no images")
        self._check_labels()
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ from each other, got {self.seeds}")
        reserved = {"base", "chained", "compare", "data", "extractor", "kinds", "planned"} & set(self.arms)
        if reserved:
            raise ValueError(f"arms must not be called {', '.join(sorted(reserved))}: the name is taken")
        if self.experiment in TAKEN:
            taken = f"reports/{self.experiment} holds {TAKEN[self.experiment]}"
            raise ValueError(f"experiment: {self.experiment!r} is not allowed: {taken}")
        count, key = self.engine.processes, "processes_per_chain" if self.engine.processes_per_chain else "gpus_per_chain"
        for section, training in (("train", self.train), ("auxiliary", self.auxiliary)):
            if training.batch % count:
                raise ValueError(
                    f"engine.{key}: {count} is not allowed: they must share {section}.batch {training.batch} evenly"
                )
        if count > 1 and ":" in self.device:
            raise ValueError(f"device: {self.device!r} is not allowed: a chain has {count} processes; cuda or cpu")
        self.data.check(self.evaluation.selection or 0)
        for name, arm in self.arms.items():
            self._check_arm(name, arm)
        return self

    def _check_labels(self) -> None:
        told = getattr(self.network, "takes_augmentation", False)
        for section in ("train", "auxiliary"):
            if getattr(self, section).augmentation and not told:
                kind = kind_of(self.network)
                raise ValueError(f"{section}.augmentation is not allowed: network.kind {kind} is not told of it")
        if self.labels is None:
            return
        if not self.data.has_labels:
            raise ValueError(f"labels: {self.labels!r} is not allowed: data.kind {kind_of(self.data)} has no labels")
        if not getattr(self.network, "takes_labels", False):
            raise ValueError(f"labels: {self.labels!r} is not allowed: network.kind {kind_of(self.network)} takes none")
        if isinstance(self.labels, list) and not sum(self.labels):
            raise ValueError(f"labels: {self.labels} is not allowed: the shares must not all be 0")

    def _check_arm(self, name: str, arm: Arm) -> None:
        strange = set(arm.seeds or []) - set(self.seeds)
        if strange:
            raise ValueError(f"arms.{name}.seeds: {min(strange)} is not allowed: seeds has {', '.join(map(str, self.seeds))}")
        if len(set(arm.seeds or [])) != len(arm.seeds or []):
            raise ValueError(f"arms.{name}.seeds must differ from each other, got {arm.seeds}")
        if LOOPS[arm.loop].fresh and not self.data.has_truth:
            raise ValueError(f"arms.{name}.loop: {arm.loop!r} is not allowed: data.kind {kind_of(self.data)} has no fresh data")
        if arm.init == "checkpoint" and self.base is None:
            raise ValueError(f"arms.{name}.init: 'checkpoint' is not allowed: there is no base.checkpoint to begin with")
        if arm.guidance == "auto" and self.evaluation.selection is None:
            raise ValueError("evaluation.selection: is missing; guidance auto chooses by so many held-out real samples")
        handed_on = [self.handed_on(name, generation) for generation in range(1, self.length(name) + 1)]
        if max(handed_on) > MOST:
            raise ValueError(
                f"arms.{name}.n_synthetic: more than {MOST} samples are not allowed; its rule gives more in generation"
                f" {next(number for number, n in enumerate(handed_on, 1) if n > MOST)} (at_most limits it)"
            )
        candidates = max(*handed_on, self.evaluation.n) / (arm.hook.share if arm.hook else 1)
        if arm.hook and candidates > MOST:
            raise ValueError(f"arms.{name}.hook.share: {arm.hook.share:g} is not allowed: it takes more than {MOST} candidates")
        given = min(handed_on)
        if arm.synthetic_share and given < round(arm.synthetic_share * self.data.n_real):
            raise ValueError(
                f"arms.{name}.synthetic_share: {arm.synthetic_share:g} is not allowed: of n_real {self.data.n_real} that is"
                f" more than n_synthetic, {given}"
            )
        if arm.guide is None:
            return
        for key, size in arm.guide.sizes.items():
            most = getattr(self.network, key, None)
            if most is None:
                kind = kind_of(self.network)
                raise ValueError(f"arms.{name}.guide.{key}: {size} is not allowed: network.kind {kind} has no {key}")
            if size > most and arm.guide.steps:
                raise ValueError(f"arms.{name}.guide.{key}: {size} is not allowed: network.{key} is {most}")

    @property
    def fingerprint(self) -> str:
        """A short hash of everything, to see whether params.yaml has changed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def checkpoints(self) -> list[str]:
        """The files that models are read from instead of being trained: the base's, and those of guides."""
        guides = [arm.guide.checkpoint for arm in self.arms.values() if arm.guide and arm.guide.checkpoint]
        return [*([self.base.checkpoint] if self.base else []), *dict.fromkeys(guides)]

    def length(self, arm: str) -> int:
        """How many generations the arm's chains have."""
        return self.arms[arm].generations or self.generations

    def training_steps(self, arm: str) -> int:
        """How many steps a generation's models are trained for: the base, and the arm's second model where it trains one."""
        chosen = self.arms[arm]
        guide = (chosen.guide.steps or 0) if chosen.guide else 0
        return self.train.steps + (self.auxiliary.steps if chosen.fine_tunes else 0) + guide

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
    model = model_of(raw, source)
    try:
        params = model.model_validate(raw)
    except ValidationError as error:
        raise BadInput(f"{source}: {said(error, model)}") from None
    params._raw = deepcopy(raw)
    return params


KINDED = {"data": DATASETS, "network": NETWORKS, "sampler": SAMPLERS}
"""The sections of which a kind has the keys."""


def model_of(raw: Mapping[str, Any], source: str = "params") -> type[Params]:
    """The params' model with the settings of the kinds that `raw` names. Raises BadInput for a kind that is not registered."""
    fields: dict[str, Any] = {}
    for name, registry in KINDED.items():
        section = raw.get(name)
        if isinstance(section, Mapping):
            fields[name] = (_settings(section, name, registry, source), ...)
        elif name in raw:
            raise BadInput(f"{source}: {name}: {short(section)} is not allowed: it must be a section, with its kind")
    extractor = by_name((raw.get("evaluation") or {}).get("extractor")) if isinstance(raw.get("evaluation"), Mapping) else None
    if isinstance(extractor, Mapping):
        settings = _settings(extractor, "evaluation.extractor", EXTRACTORS, source)
        fields["evaluation"] = (judged_by(settings), ...)
    return create_model("Params", __base__=Params, __doc__=Params.__doc__, **fields)


def judged_by(settings: Any) -> type[Evaluation]:
    """The section evaluation with an extractor's settings."""
    extractor: Any = (Annotated[settings, BeforeValidator(by_name)], ...)
    return create_model("Evaluation", __base__=Evaluation, __doc__=Evaluation.__doc__, extractor=extractor)


def _settings(section: Mapping[str, Any], key: str, registry: Registry[Any], source: str) -> type[Section]:
    kind = section.get("kind", registry.default)
    if kind is None:
        raise BadInput(f"{source}: {key}.kind: is missing; it is needed (self-consuming kinds says what is allowed)")
    if not isinstance(kind, str) or kind not in registry:
        allowed = ", ".join(repr(name) for name in registry)
        raise BadInput(f"{source}: {registry.where}: {short(kind)} is not allowed: one of {allowed}")
    return registry.entry(kind).settings

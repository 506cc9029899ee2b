"""The experiment: `params.yaml`, validated and frozen.

Every key is declared here once, with its allowed values; `schema()` prints the same as a JSON schema.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from pipeline.errors import BadInput

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
MAX_GENERATIONS = 999
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Generations = Annotated[int, Field(ge=1, le=MAX_GENERATIONS)]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, types are strict, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GaussianData(Section):
    """Points of one Gaussian."""

    kind: Literal["gaussian"]
    n_real: Annotated[int, Field(ge=2)]
    mean: Annotated[list[Finite], Field(min_length=2)]
    covariance: list[list[Finite]]

    @model_validator(mode="after")
    def _is_covariance(self) -> "GaussianData":
        import numpy as np

        rows = self.covariance
        if len(rows) != len(self.mean) or any(len(row) != len(self.mean) for row in rows):
            raise ValueError(
                f"covariance {rows} is not allowed: it must be {len(self.mean)} x {len(self.mean)}, as long as mean"
            )
        matrix = np.array(rows)
        if not np.array_equal(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() <= 0:
            raise ValueError(f"covariance {rows} is not allowed: it must be symmetric and positive definite")
        return self


class MixtureData(Section):
    """Points of a square grid of equal Gaussians: modes x modes, `spacing` apart, each of standard deviation `spread`."""

    kind: Literal["gaussian-mixture"]
    n_real: Annotated[int, Field(ge=2)]
    modes: Annotated[int, Field(ge=1, le=20)]
    spacing: Positive
    spread: Positive


class DigitsData(Section):
    """scikit-learn's handwritten digits, 8x8: a fixed split into `n_real` for training, the rest for reference."""

    kind: Literal["digits"]
    n_real: Annotated[int, Field(ge=100, le=1600)]


class Network(Section):
    """The network inside the denoiser."""

    kind: Literal["mlp", "residual-mlp"]
    width: Annotated[int, Field(ge=1, le=8192)]
    depth: Annotated[int, Field(ge=1, le=64)]
    embedding: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]


class Training(Section):
    """A training budget: images seen = steps x batch. Checkpoints inside a training change no bits."""

    steps: Count
    batch: Count
    learning_rate: Positive
    warmup: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    schedule: Literal["cosine", "constant"]
    ema: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
    checkpoint_images: Count | None = None


class Auxiliary(Training):
    """SIMS's auxiliary: fine-tuned from the base on `n` of the base's own samples."""

    n: Count


class Noise(Section):
    """EDM's noise levels: the data's standard deviation and the training distribution of ln sigma."""

    sigma_data: Positive
    p_mean: Finite
    p_std: Positive


class Sampler(Section):
    """EDM's Heun sampler; zeta scales the score; block is the fixed number of samples drawn at once."""

    steps: Annotated[int, Field(ge=2, le=10_000)]
    sigma_min: Positive
    sigma_max: Positive
    rho: Positive
    zeta: Positive
    block: Count

    @model_validator(mode="after")
    def _is_ordered(self) -> "Sampler":
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} is not allowed: it must be below sigma_max, {self.sigma_max:g}")
        return self


class Evaluation(Section):
    """How samples are judged: by the points themselves, or by features of a classifier trained on the real set."""

    extractor: Literal["identity", "classifier"]
    n: Annotated[int, Field(ge=2)]


class Arm(Section):
    """A loop with a strategy."""

    loop: str
    strategy: str
    guidance: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    generations: Generations | None = None

    @model_validator(mode="after")
    def _is_registered(self) -> "Arm":
        from pipeline.mixing import LOOPS
        from pipeline.strategies import STRATEGIES

        for key, value, registry in (("loop", self.loop, LOOPS), ("strategy", self.strategy, STRATEGIES)):
            if value not in registry:
                raise ValueError(f"{key} must be one of {', '.join(registry)}, got {value!r}")
        guided = STRATEGIES[self.strategy].guided
        if guided and self.guidance is None:
            raise ValueError(f"guidance is missing: strategy {self.strategy!r} needs a number >= 0")
        if not guided and self.guidance is not None:
            raise ValueError(f"guidance {self.guidance:g} is not allowed: strategy {self.strategy!r} has none")
        return self


class Engine(Section):
    """Where chains are run (processes of this machine, or Ray), how many at once, and threads for each.

    workers auto is one for each GPU, or cores / threads (Ray: as many as the cluster takes). With threads auto, which is
    cores / workers, rounding follows the machine, and so do the bytes. A Ray cluster is joined (auto, or HOST:PORT) or started
    for a run (local).
    """

    kind: Literal["processes", "ray"] = "processes"
    workers: Literal["auto"] | Count = "auto"
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=256)]
    address: Annotated[str, Field(pattern=r"^(auto|local|[^\s:/]+:\d{1,5})$")] | None = None
    gpus_per_chain: Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Engine":
        for key in ("address", "gpus_per_chain"):
            if self.kind != "ray" and getattr(self, key) is not None:
                raise ValueError(f"{key} {getattr(self, key)!r} is not allowed: it is for kind ray alone")
        return self


class Params(Section):
    """The whole experiment."""

    experiment: Name
    seeds: Annotated[list[Seed], Field(min_length=1)]
    generations: Generations
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    data: Annotated[GaussianData | MixtureData | DigitsData, Field(discriminator="kind")]
    n_synthetic: Annotated[int, Field(ge=2)]
    network: Network
    noise: Noise
    train: Training
    auxiliary: Auxiliary
    sampler: Sampler
    evaluation: Evaluation
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    engine: Engine
    remote: Annotated[str, Field(min_length=1)] | None = None

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
        reserved = {"base", "data", "compare"} & set(self.arms)
        if reserved:
            raise ValueError(f"arms must not be called {', '.join(sorted(reserved))}: the name is taken")
        if self.experiment == "gallery":
            raise ValueError("experiment: 'gallery' is not allowed: reports/gallery is the README's")
        return self

    @property
    def fingerprint(self) -> str:
        """A short hash of everything, to see whether params.yaml has changed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def length(self, arm: str) -> int:
        """How many generations the arm's chains have."""
        return self.arms[arm].generations or self.generations


def load(path: Path) -> Params:
    """Read and check a params file. Raises BadInput with one line: which key, which value, what is allowed."""
    try:
        with path.open(encoding="utf-8") as file:
            raw = YAML(typ="safe", pure=True).load(file)
    except FileNotFoundError:
        raise BadInput(f"{path.name}: no such file in {path.parent.resolve()}; run it from the project's root") from None
    except (YAMLError, ValueError, OSError, RecursionError) as error:
        raise BadInput(f"{path.name}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path.name}: must hold keys and values, got {type(raw).__name__}")
    return parse(raw, path.name)


def parse(raw: dict[str, Any], source: str = "params") -> Params:
    """Check a params mapping; the errors name `source`."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        # an unknown key first: it explains the missing one beside it
        errors: list[Any] = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        same = [each for each in errors if _key(each) == _key(errors[0])]
        others = f" (and {len(errors) - len(same)} more)" if len(errors) > len(same) else ""
        raise BadInput(f"{source}: {_describe(same)}{others}") from None


def schema() -> str:
    """The JSON schema of params.yaml."""
    from pipeline.mixing import LOOPS
    from pipeline.strategies import STRATEGIES

    whole = Params.model_json_schema()
    arm = whole["$defs"]["Arm"]["properties"]
    arm["loop"]["enum"], arm["strategy"]["enum"] = list(LOOPS), list(STRATEGIES)
    return json.dumps(whole, indent=2)


def _key(error: Any) -> str:
    """The dotted key that an error is about, without pydantic's own words for the branches of a union."""
    parts = list(error["loc"])
    if len(parts) > 1 and parts[0] == "data":
        del parts[1]  # the kind, which is no level of the file
    if error["type"].startswith("union_tag"):
        parts.append("kind")
    return ".".join(str(part) for part in parts if part not in ("literal['auto']", "constrained-int", "int", "[key]"))


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
    """The keys of the section in which an unknown key stands."""
    kinds: dict[str, type[Section]] = {"gaussian": GaussianData, "gaussian-mixture": MixtureData, "digits": DigitsData}
    sections: dict[str, type[Section]] = {"network": Network, "noise": Noise, "train": Training, "auxiliary": Auxiliary}
    sections |= {"sampler": Sampler, "evaluation": Evaluation, "arms": Arm, "engine": Engine, "": Params}
    section = kinds[where[1]] if where[0] == "data" else sections[where[0] if len(where) > 1 else ""]
    return ", ".join(section.model_fields)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

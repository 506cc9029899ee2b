"""The sections of `params.yaml`: every key is declared here once, with its allowed values."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 1_000_000_000
"""More of anything is a slip of the pen."""
Count = Annotated[int, Field(ge=1, le=MOST)]
Plenty = Annotated[int, Field(ge=2, le=MOST)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Place = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Square = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
"""Data are float32, and their distances are squared."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
MAX_GENERATIONS = 999
MIN_TO_EXTRAPOLATE = {"identity": 100, "classifier": 1000}
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Generations = Annotated[int, Field(ge=1, le=MAX_GENERATIONS)]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, types are strict, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GaussianData(Section):
    """Points of one Gaussian."""

    kind: Literal["gaussian"]
    n_real: Plenty
    mean: Annotated[list[Place], Field(min_length=2)]
    covariance: list[list[Square]]

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
    n_real: Plenty
    modes: Annotated[int, Field(ge=1, le=20)]
    spacing: Length
    spread: Length


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
    """How samples are judged: by the points themselves, or by features of a classifier trained on the real set.

    `selection` real samples are held out to choose by (guidance: auto); nothing that is reported is computed with them.
    `fid_infinity` adds the FID extrapolated to infinitely many samples.
    """

    extractor: Literal["identity", "classifier"]
    n: Plenty
    selection: Annotated[int, Field(ge=50, le=MOST)] | None = None
    fid_infinity: bool = False

    @model_validator(mode="after")
    def _has_enough_to_extrapolate(self) -> "Evaluation":
        least = MIN_TO_EXTRAPOLATE[self.extractor]
        if self.fid_infinity and self.n < least:
            raise ValueError(f"n {self.n} is not allowed: fid_infinity needs at least {least} with extractor {self.extractor}")
        return self


class SampleRule(Section):
    """How many samples generation t hands on: `start`, or `times_real` n_real, times factor^(t - 1), but `at_most` so many."""

    start: Count | None = None
    times_real: Positive | None = None
    factor: Positive = 1.0
    at_most: Count | None = None

    @model_validator(mode="after")
    def _has_one_start(self) -> "SampleRule":
        if (self.start is None) == (self.times_real is None):
            raise ValueError("n_synthetic needs one of start and times_real: a number, or a share of n_real")
        return self


Samples = Plenty | SampleRule
Guidance = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class Guide(Section):
    """Autoguidance's guide: trained on the same data for fewer steps, and smaller where width or depth are given."""

    steps: Count
    width: Annotated[int, Field(ge=1, le=8192)] | None = None
    depth: Annotated[int, Field(ge=1, le=64)] | None = None


class HookCall(Section):
    """A function on every generation's samples before they are judged and handed on: its name, and what it is told."""

    name: str
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    strength: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _is_registered(self) -> "HookCall":
        from pipeline.hooks import HOOKS

        _check_registered("hook.name", self.name, HOOKS)
        return self


class Arm(Section):
    """A loop with a strategy, and what is special about it; what is not given is as everywhere in params.yaml."""

    loop: str
    strategy: str
    guidance: Literal["auto"] | Guidance | None = None
    candidates: Annotated[list[Guidance], Field(min_length=2)] | None = None
    guide: Guide | None = None
    hook: HookCall | None = None
    zeta: Positive | None = None
    init: Literal["scratch", "previous"] | None = None
    memory: Count | None = None
    synthetic_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    n_synthetic: Samples | None = None
    generations: Generations | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_registered(self) -> "Arm":
        from pipeline.loops import LOOPS
        from pipeline.strategies import STRATEGIES

        _check_registered("loop", self.loop, LOOPS)
        _check_registered("strategy", self.strategy, STRATEGIES)
        loop, strategy = LOOPS[self.loop], STRATEGIES[self.strategy]
        for key, used, by in (
            ("guidance", strategy.guidance, f"strategy {self.strategy!r}"),
            ("guide", strategy.guide, f"strategy {self.strategy!r}"),
            ("synthetic_share", loop.share, f"loop {self.loop!r}"),
        ):
            if used and getattr(self, key) is None:
                raise ValueError(f"{key} is missing: {by} needs it")
            if not used and getattr(self, key) is not None:
                raise ValueError(f"{key} {_plain(getattr(self, key))} is not allowed: {by} has none")
        if self.candidates is not None and self.guidance != "auto":
            raise ValueError(f"candidates {self.candidates} is not allowed: they are for guidance auto")
        if self.memory is not None and loop.memory is None:
            raise ValueError(f"memory {self.memory} is not allowed: loop {self.loop!r} remembers all generations")
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
        port = (self.address or "").rpartition(":")[2]
        if port.isdigit() and not 0 < int(port) < 65536:
            raise ValueError(f"address {self.address!r} is not allowed: a port is a number from 1 to 65535")
        return self


def _check_registered(key: str, name: str, registry: Mapping[str, object]) -> None:
    if name not in registry:
        raise ValueError(f"{key} must be one of {', '.join(registry)}, got {name!r}")


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True) if isinstance(value, Section) else value

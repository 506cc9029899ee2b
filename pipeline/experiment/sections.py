"""The sections of `params.yaml`: every key is declared here once, with its allowed values; those of kinds beside their code."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, SerializeAsAny, ValidationError, model_validator

from models.diffusion.noise import LARGEST, RARELY, fitting
from pipeline.experiment.kinds import (
    METRICS,
    MOST,
    Count,
    Plenty,
    Positive,
    Scale,
    Section,
    check_known,
)
from pipeline.experiment.patterns import ADDRESS, NAME

Name = Annotated[str, Field(pattern=NAME, max_length=64)]
MAX_GENERATIONS = 999
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Generations = Annotated[int, Field(ge=1, le=MAX_GENERATIONS)]


class DataSettings(Section):
    """What every data set has: `n_real` samples to train on."""

    n_real: Plenty
    has_truth: ClassVar[bool] = False
    """Whether its distribution is known, and so as many new real samples as one likes."""
    has_labels: ClassVar[bool] = False

    @property
    def files(self) -> list[str]:
        """The files and folders that a finite set is read from: what is made of them is stale when they change."""
        return []

    def check(self, held_out: int) -> None:
        """Raise ValueError where the data set is too small to hold so many samples out, beside those to report by."""


class ExtractorSettings(Section):
    """What the experiment needs to know of an extractor before it begins."""

    needs_labels: ClassVar[bool] = False
    needs_images: ClassVar[bool] = False
    knows_classes: ClassVar[bool] = False
    """Whether it tells the class of a sample."""
    least_to_extrapolate: ClassVar[int] = 1000
    """How many samples `fid_infinity` needs, at least."""

    @property
    def inputs(self) -> list[str]:
        """Files, beside the data, that its own ones are made of: they are stale when these change."""
        return []

    @property
    def reads(self) -> list[str]:
        """All the files that it computes with, as params.yaml names them."""
        return self.inputs

    def check_files(self) -> None:
        """Raise BadInput where a file is missing that it computes with: said before anything is made."""


class Base(Section):
    """Generation 1's base model where it is not trained: a `checkpoint`, safetensors that fit the network.

    `self-consuming import-checkpoint` writes one; a base.safetensors of another experiment is one, too. `source` says in words
    where the file comes from, for whom it is missing.
    """

    checkpoint: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)] | None = None


Labels = Literal["real", "uniform"] | Annotated[list[Annotated[float, Field(ge=0, le=MOST)]], Field(min_length=2)]
"""Of which classes samples are drawn: in the real proportions, equally often, or in shares of their own."""


class Noise(Section):
    """EDM's noise levels: the data's standard deviation (`auto`: as it is), and ln sigma ~ N(p_mean, p_std^2) in training.

    Where p_mean and p_std are not given, they are EDM's for a standard deviation of 0.5, scaled as the data are.
    """

    sigma_data: Literal["auto"] | Scale
    p_mean: float | None = None
    p_std: Positive | None = None

    @model_validator(mode="after")
    def _fits_float32(self) -> "Noise":
        levels = fitting(1.0 if self.sigma_data == "auto" else self.sigma_data, self.p_mean, self.p_std)
        if not levels.fits_float32:
            given = f"p_mean {levels.p_mean:g} with p_std {levels.p_std:g}"
            raise ValueError(f"{given} is not allowed: {RARELY:g} p_std on either side of p_mean must be within +-{LARGEST:g}")
        return self


def by_name(value: Any) -> Any:
    """A kind without settings may be given by its name alone."""
    return {"kind": value} if isinstance(value, str) else value


def _metric(value: Any) -> Section:
    """A metric's settings: by its name, or a section with `kind`. Raises ValueError."""
    section = by_name(value)
    if isinstance(section, Section):
        return section
    if not isinstance(section, dict) or not isinstance(section.get("kind"), str):
        raise ValueError(f"{value!r} is not allowed: a metric is a name, or a section with kind")
    check_known("metrics", section["kind"], METRICS)
    try:
        return METRICS.entry(section["kind"]).settings.model_validate(section)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{section['kind']}.{where}: {first['input']!r} is not allowed: {first['msg']}") from None


class Evaluation(Section):
    """How samples are judged: by an extractor's features (`identity`: the points themselves), in metrics.

    `metrics` are those beyond the usual ones. `selection` real samples are held out to choose by (guidance: auto), and each
    choice is judged by `selection_n` samples; nothing that is reported is computed with either. `fid_infinity` adds the FID
    extrapolated to infinitely many samples.
    """

    extractor: Annotated[SerializeAsAny[ExtractorSettings], BeforeValidator(by_name)]
    n: Plenty
    selection: Annotated[int, Field(ge=50, le=MOST)] | None = None
    selection_n: Annotated[int, Field(ge=50, le=MOST)] | None = None
    fid_infinity: bool = False
    metrics: list[Annotated[SerializeAsAny[Section], PlainValidator(_metric)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_enough_to_extrapolate(self) -> "Evaluation":
        least = self.extractor.least_to_extrapolate
        if self.fid_infinity and self.n < least:
            name = kind_of(self.extractor)
            raise ValueError(f"n {self.n} is not allowed: fid_infinity needs at least {least} with extractor {name}")
        return self


class Engine(Section):
    """Where chains are run (processes of this machine, or Ray), how many at once, threads for each, and how networks compute.

    workers auto is one for each GPU, or cores / threads (Ray: as many as the cluster takes). With threads auto, which is
    cores / workers, rounding follows the machine, and so do the bytes. A Ray cluster is joined (auto, or HOST:PORT) or started
    for a run (local). `precision` is that of the networks alone (tf32 differs from fp32 on a GPU only); `compile` fuses their
    operations, which takes a minute at first. `processes_per_chain` share each chain's trainings and samples, every one with so
    many threads and, where there are GPUs, its own (Ray: gpus_per_chain, above 1). A disk that is full, or lost, is waited for
    where `on_full` is wait.
    """

    kind: Literal["processes", "ray"] = "processes"
    workers: Literal["auto"] | Count = "auto"
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=256)]
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    on_full: Literal["stop", "wait"] = "stop"
    address: Annotated[str, Field(pattern=ADDRESS)] | None = None
    gpus_per_chain: Annotated[float, Field(ge=0, le=64)] | None = None
    processes_per_chain: Annotated[int, Field(ge=1, le=64)] | None = None

    @property
    def processes(self) -> int:
        """How many processes train and sample a chain's models together: one for each of its GPUs."""
        gpus = self.gpus_per_chain or 0
        return self.processes_per_chain or (int(gpus) if gpus > 1 else 1)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Engine":
        for key in ("address", "gpus_per_chain"):
            if self.kind != "ray" and getattr(self, key) is not None:
                raise ValueError(f"{key} {getattr(self, key)!r} is not allowed: it is for kind ray alone")
        gpus = self.gpus_per_chain or 0
        if gpus > 1 and gpus != self.processes:
            raise ValueError(f"gpus_per_chain {gpus:g} is not allowed: above 1 it is a whole number, one for each process")
        port = (self.address or "").rpartition(":")[2]
        if port.isdigit() and not 0 < int(port) < 65536:
            raise ValueError(f"address {self.address!r} is not allowed: a port is a number from 1 to 65535")
        return self


def kind_of(section: Section) -> str:
    """The kind that a section of settings is of."""
    return str(getattr(section, "kind"))  # noqa: B009 (the registry adds it)

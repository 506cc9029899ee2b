"""The sections of `params.yaml` that say how long and how fast models are trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from models.diffusion.power_function import LONGEST
from models.registry import MOST, Count, Positive, Section


class PowerAverage(Section):
    """EDM2's average of the weights, by a power function of training time whose standard deviation is this share of it.

    Whenever `kept_images` more images have been seen, the averages of lengths 0.05 and 0.10 are kept, from which those of other
    lengths can be made.
    """

    sigma_rel: Annotated[float, Field(gt=0, le=LONGEST)]
    kept_images: Count | None = None


class Training(Section):
    """A training budget, in steps or in images seen (steps x batch).

    Checkpoints inside a training, after so many images or minutes, change no bits.

    The rate rises over a share of the steps (`warmup`) or over images (`warmup_images`); schedule inverse-sqrt is EDM2's, which
    falls with the root of the images seen from `decay_images` on. The half-life of the weight average is the share `ema` of the
    images seen so far, at most `ema_images`; or it is EDM2's, where `ema` has a sigma_rel. A batch goes through the network in
    parts of `microbatch`. `augmentation` is the probability of each of EDM's augmentations, of which the network is told.
    """

    steps: Count
    images: Count | None = None
    batch: Count
    microbatch: Count | None = None
    learning_rate: Annotated[float, Field(ge=1e-12, le=1e30)]
    warmup: Annotated[float, Field(ge=0, le=1)] | None = None
    warmup_images: Annotated[int, Field(ge=0, le=MOST)] | None = None
    schedule: Literal["cosine", "constant", "inverse-sqrt"]
    decay_images: Count | None = None
    ema: Annotated[float, Field(ge=0, le=10)] | PowerAverage
    ema_images: Count | None = None
    augmentation: Annotated[float, Field(ge=0, le=1)] | None = None
    checkpoint_images: Count | None = None
    checkpoint_minutes: Positive | None = None

    @property
    def kept_images(self) -> int | None:
        """After how many images each averages are kept, if they are."""
        return self.ema.kept_images if isinstance(self.ema, PowerAverage) else None

    @model_validator(mode="before")
    @classmethod
    def _counts_steps(cls, given: Any) -> Any:
        """Images in steps."""
        if not isinstance(given, dict) or given.get("images") is None:
            return given
        images, batch = given["images"], given.get("batch")
        if "steps" in given and given["steps"] is not None:
            raise ValueError(f"images {images} is not allowed beside steps {given['steps']}: give one of them")
        whole = all(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in (images, batch))
        return given | {"steps": -(-images // batch) if whole else 1}

    @model_validator(mode="after")
    def _has_one_warmup(self) -> "Training":
        if (self.warmup is None) == (self.warmup_images is None):
            raise ValueError("needs one of warmup and warmup_images: a share of the steps, or images")
        if self.microbatch is not None and self.microbatch > self.batch:
            raise ValueError(f"microbatch {self.microbatch} is not allowed: it must not be more than batch, {self.batch}")
        return self

    @model_validator(mode="after")
    def _has_what_edm2_takes(self) -> "Training":
        if self.schedule == "inverse-sqrt" and self.decay_images is None:
            raise ValueError("decay_images is missing: schedule inverse-sqrt needs it, the images after which the rate falls")
        if self.schedule != "inverse-sqrt" and self.decay_images is not None:
            raise ValueError(f"decay_images {self.decay_images} is not allowed: schedule {self.schedule} has none")
        if isinstance(self.ema, PowerAverage) and self.ema_images is not None:
            raise ValueError(f"ema_images {self.ema_images} is not allowed: an ema of sigma_rel has no half-life")
        return self


class Auxiliary(Training):
    """SIMS's auxiliary: fine-tuned from the base on `n` of the base's own samples."""

    n: Count

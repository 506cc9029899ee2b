"""A finished generation's model for people who look at it: a denoiser that samples, as the generation's own step did."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import one_hot

from models.diffusion.denoiser import Denoise, Denoiser, labelled
from models.diffusion.guidance import merged, scaled, sims
from pipeline.data.samples import Labelled, encode
from pipeline.experiment.errors import BadInput
from pipeline.experiment.machine import device_of, threads
from pipeline.experiment.sections import MOST
from pipeline.experiment.seeds import derive
from pipeline.generation import compute
from pipeline.generation.classes import Mix, mix
from pipeline.generation.job import Job, load_model
from pipeline.storage.files import read_json
from pipeline.storage.layout import AUXILIARY, BASE, MADE

Part = Literal["output", "base", "auxiliary"]
"""What the output was sampled by; the base model alone; the second model alone (SIMS's auxiliary, autoguidance's guide)."""
COMBINED: dict[str, Callable[[Job, Denoiser, Denoiser, float], Denoise]] = {
    "guided sample": lambda job, base, other, w: sims(base, other, w, job.arm.interval),
    "merged sample": lambda job, base, other, w: merged(base, other, w),
}
"""How the last step of a strategy combines its two models."""
PLAIN = "sample"
"""The last step of a strategy that samples its base."""
OWN, BY_HAND = "synthetic", "by hand"
"""The random streams of a generation's output, and of samples that are drawn here."""
X = TypeVar("X", bound=Any)


class Model:
    """The denoiser D(x; sigma) of a generation, with its arm's guidance and zeta, on the device that params.yaml says.

    Attributes:
        chain: of which arm and seed.
        generation: which one of them.
        part: `output`, `base` or `auxiliary`.
        shape: of a sample: [D] of points, [C, H, W] of images.
        classes: how many classes it is told of; 0 where it is told of none.
        guidance: the w of a second model, chosen or given; None where there is none.
    """

    def __init__(self, job: Job, part: Part = "output") -> None:
        """Read it from the job's folder; everything is in memory then. Raises BadInput for a part that there is not."""
        self.chain, self.generation, self.part = job.chain, job.generation, part
        self.shape, self.classes = job.shape, job.classes
        self._job, self._like, self._device = job, job.real.values[:0], device_of(job.params)
        self._labels = job.real.labels
        self.guidance: float | None = None
        self._denoise = scaled(self._read(), job.arm.zeta or job.params.sampler.zeta)

    def __repr__(self) -> str:
        return f"<{self.part} of {self.chain}, generation {self.generation}>"

    def denoise(self, x: X, sigma: ArrayLike | Tensor, labels: ArrayLike | Tensor | None = None) -> X:
        """The denoised x0 of noisy x.

        Args:
            x: [B, *shape], an array or a tensor: points as they are, images in [-1, 1]. The answer is of the same sort.
            sigma: the noise level (standard deviation), one number or [B].
            labels: the class [B] of each, counted from 0, where the model is told of any.

        Raises BadInput for another shape, and for labels that are missing or not known. Tensors keep their gradients.
        """
        given = torch.as_tensor(x, dtype=torch.float32, device=self._device)
        if given.shape[1:] != self.shape:
            raise BadInput(f"x: {list(given.shape)} is not allowed: it must be [B, {', '.join(map(str, self.shape))}]")
        levels = torch.as_tensor(sigma, dtype=torch.float32, device=self._device)
        if levels.numel() not in (1, len(given)) or not bool((levels > 0).all()):
            raise BadInput(f"sigma: {sigma!r} is not allowed: one number above 0, or one for each of the {len(given)} samples")
        denoise = labelled(self._denoise, self._told(labels, len(given)))
        with self._as_in_a_run():
            if isinstance(x, Tensor):
                return denoise(given, levels).to(x.device)  # type: ignore[return-value]
            with torch.no_grad():
                return denoise(given, levels).cpu().numpy()  # type: ignore[return-value]

    def sample(self, n: int, seed: int | None = None) -> Labelled:
        """n samples by the experiment's sampler: float32 points [n, D] or uint8 images [n, C, H, W], with classes if any.

        A seed gives the same samples, and its first ones when n is smaller. Without one they are the generation's own (of
        `output`, on a CPU: to the bit, unless a hook has chosen among them). Raises BadInput, and FloatingPointError where
        trajectories diverge.
        """
        if not 1 <= n <= MOST:
            raise BadInput(f"n: {n} is not allowed: a number from 1 to {MOST}")
        if seed is not None and not 0 <= seed < 2**32:
            raise BadInput(f"seed: {seed} is not allowed: a number from 0 to {2**32 - 1}")
        classes = self._mix(seed)
        with self._as_in_a_run():
            stream = self._stream(seed, OWN if seed is None else BY_HAND)
            drawn = compute.draw(self._denoise, self._job.params, self.shape, stream, 0, n, self._device, classes)
        return Labelled(encode(drawn, self._like), classes.draw(0, n) if classes else None)

    def _read(self) -> Denoise:
        """The denoiser of the part, without zeta."""
        job = self._job
        if self.part == "base":
            return load_model(job, BASE)
        if self.part == "auxiliary":
            if not job.strategy.second:
                raise BadInput(f"part: 'auxiliary' is not allowed: strategy {job.arm.strategy!r} has no second model")
            return load_model(job, AUXILIARY, job.second_params)
        if self.part != "output":
            raise BadInput(f"part: {self.part!r} is not allowed: output, base or auxiliary")
        last = job.strategy.steps[-1]
        if last == PLAIN:
            return load_model(job, BASE)
        if last not in COMBINED:
            raise BadInput(f"part: 'output' is not allowed: only step {last!r} knows how it samples; base is")
        self.guidance = float(read_json(job.work / MADE).get("guidance", job.arm.guidance))
        base, other = load_model(job, BASE), load_model(job, AUXILIARY, job.second_params)
        return COMBINED[last](job, base, other, self.guidance)

    def _told(self, labels: ArrayLike | Tensor | None, n: int) -> Tensor | None:
        """The labels one-hot [B, K]."""
        if (labels is None) == bool(self.classes):
            told = f"of {self.classes} classes: give the class of each sample" if self.classes else "of no classes"
            raise BadInput(f"labels: {labels!r} is not allowed: this model is told {told}")
        if labels is None:
            return None
        classes = torch.as_tensor(labels, dtype=torch.int64, device=self._device)
        if classes.shape != (n,) or not bool(((classes >= 0) & (classes < self.classes)).all()):
            raise BadInput(f"labels: {labels!r} is not allowed: {n} numbers from 0 to {self.classes - 1}")
        return one_hot(classes, self.classes).float()

    def _stream(self, seed: int | None, purpose: str) -> int:
        return self._job.seed(purpose) if seed is None else derive(seed, purpose, self.generation)

    def _mix(self, seed: int | None) -> Mix | None:
        """The classes to sample, in params.yaml's shares."""
        if not self.classes:
            return None
        assert self._labels is not None
        return mix(self._job.params, self._labels, self._stream(seed, f"{OWN if seed is None else BY_HAND}-labels"))

    @contextmanager
    def _as_in_a_run(self) -> Iterator[None]:
        """As many threads as a chain has, since their number changes rounding; the caller's afterwards."""
        former = torch.get_num_threads()
        torch.set_num_threads(threads(self._job.params))
        try:
            yield
        finally:
            torch.set_num_threads(former)

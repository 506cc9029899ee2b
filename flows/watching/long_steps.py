"""Steps that last: how far they are, in words, and which ones are at work. Without Prefect, whose import takes seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.experiment.chains import Chain
from pipeline.storage.layout import Layout
from pipeline.storage.within import SUFFIX, Told, told


@dataclass(frozen=True)
class Shared:
    """What is made before all chains: its name, and its folder or file."""

    name: str
    path: Path

    def __str__(self) -> str:
        return self.name


def shared(layout: Layout, seeds: Iterable[int]) -> list[Shared]:
    """All of it, in the order in which it is made."""
    bases = [Shared(f"base/seed{seed}", layout.base(seed)) for seed in dict.fromkeys(seeds)]
    return [Shared("data", layout.data), Shared("extractor", layout.extractor), Shared("floor", layout.facts), *bases]


def at_work(layout: Layout, chains: Iterable[Chain]) -> dict[Chain | Shared, Told]:
    """The long steps of chains, and of what is made before them, that somebody is at work on now."""
    chains = list(chains)
    making: list[tuple[Chain | Shared, Path]] = [(each, each.path) for each in shared(layout, (chain.seed for chain in chains))]
    for chain in chains:
        making += [(chain, path.with_name(path.name.removesuffix(SUFFIX))) for path in layout.chain(chain).glob(f"*{SUFFIX}")]
    return {chain: found for chain, folder in making if (found := told(folder))}


def sentence(said: Told) -> str:
    """How far a step is, in whole words: for a line."""
    words = [f"{said.done:,} of {said.total:,} images", *_known(said, "{} images/s", "loss {:.4g}", "left {}")]
    return f"{said.step} {said.share:.0%}: {', '.join(words)}"


def cell(said: Told) -> str:
    """The same for a narrow column, without the step."""
    return " ".join([f"{said.share:.0%}", *_known(said, "{}/s", "loss {:.3g}", "{}")])


def _known(said: Told, pace: str, loss: str, left: str) -> list[str]:
    """What is known of pace, loss and time left, in such words."""
    words = [pace.format(rate(said.images_per_second))] if said.images_per_second else []
    words += [loss.format(said.loss)] if said.loss is not None else []
    return words + ([left.format(clock(said.seconds_left))] if said.seconds_left is not None else [])


def rate(images_per_second: float) -> str:
    """Three figures, and no powers of ten."""
    return f"{images_per_second:,.0f}" if images_per_second >= 100 else f"{images_per_second:.3g}"


def clock(seconds: float) -> str:
    """Minutes and seconds; hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, over = divmod(minutes, 60)
    return f"{hours}:{over:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

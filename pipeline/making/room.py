"""How much disk and time an experiment will take, said before they are spent; what does not fit is refused."""

import json
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass

from pipeline.experiment.chains import Chain, remembered
from pipeline.experiment.errors import DESPITE, BadInput
from pipeline.experiment.machine import workers
from pipeline.experiment.params import Params
from pipeline.records.ledger import finished
from pipeline.records.repository import Versions
from pipeline.storage.layout import METRICS, TIMINGS, Layout

log = logging.getLogger("self-consuming")
WORTH_SECONDS, WORTH_BYTES = 60.0, 10**8
"""Below both nothing is said, and below these bytes nothing is refused."""


@dataclass(frozen=True)
class One:
    """A generation of a chain: the bytes of its networks and of its samples, and seconds."""

    networks: int
    samples: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """Bytes that are still to be written and kept, and seconds, both about."""

    bytes: int
    seconds: float

    def __str__(self) -> str:
        hours = self.seconds / 3600
        length = f"{hours / 24:.1f} days" if hours > 48 else f"{hours:.1f} hours" if hours > 1 else f"{hours * 60:.0f} minutes"
        return f"about {self.bytes / 1e9:.2f} GB of disk and {length}, by a measured step or a former generation"


def check_room(versions: Versions, params: Params, wanted: dict[Chain, int]) -> None:
    """Say what the chains will take of disk and time.

    Raises BadInput where the free disk is less, unless told otherwise, or to wait for room: a run of weeks goes on then.
    """
    found = estimate(params, wanted, 1 if versions.shares_bytes() else 2)
    free = shutil.disk_usage(Layout(params.experiment).runs).free
    if found.seconds >= WORTH_SECONDS or found.bytes >= WORTH_BYTES:
        log.warning("this will take %s; %.2f GB are free", found, free / 1e9)
    told = params.engine.on_full == "wait" or os.environ.get(DESPITE)
    if found.bytes > max(free, WORTH_BYTES) and not told:
        raise BadInput(
            f"disk: {free / 1e9:.2f} GB are free, and {found.bytes / 1e9:.2f} GB are needed: make room, keep less (keep), or"
            " run --despite-disk"
        )


def estimate(params: Params, wanted: dict[Chain, int], copies: int) -> Estimate:
    """What the generations that are not there yet will take; every file lies there in so many copies."""
    layout, total, seconds = Layout(params.experiment), 0, list[float]()
    for chain, length in wanted.items():
        missing = [t for t in range(1, length + 1) if not (layout.generation(chain, t) / METRICS).exists()]
        if not missing:
            continue
        one = as_made(params, chain, length) or _as_measured(params, chain, next(iter(wanted)).seed)
        keep, needed = params.keep, remembered(params, chain, length + 1)
        kept = sum(one.networks for t in missing if keep is None or keep.keeps_networks(t, length))
        kept += sum(one.samples for t in missing if keep is None or keep.keeps_samples(t) or t in needed)
        total += kept + 2 * (one.networks + one.samples)  # the one that is being made, and the one before it
        seconds.append(len(missing) * one.seconds)
    side_by_side = max(1, min(workers(params), len(seconds)))
    return Estimate(total * copies, max(max(seconds, default=0.0), sum(seconds) / side_by_side))


def as_made(params: Params, chain: Chain, length: int) -> One | None:
    """A generation as the chain's last one was made; None where it has none but the first, which trains no base model."""
    done = finished(params, chain, length)
    if len(done) < 2 or not (file := done[-1].parent / TIMINGS).exists():
        return None
    sizes = {suffix: sum(path.stat().st_size for path in done[-1].glob(f"*{suffix}")) for suffix in (".safetensors", ".npy")}
    steps = dict[str, float]()
    for line in file.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):  # a kill may have cut it
            row = json.loads(line)
            steps |= {row["step"]: float(row["seconds"])} if row.get("generation") == len(done) else {}
    return One(sizes[".safetensors"], sizes[".npy"], sum(steps.values())) if steps and all(sizes.values()) else None


def _as_measured(params: Params, chain: Chain, seed: int) -> One:
    from pipeline.making.estimate import measured

    return One(*measured(params, chain, seed))

"""Recompute finished generations in a temporary folder and compare them with what is stored and what DVC recorded."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.experiment import machine
from pipeline.experiment.chains import Chain
from pipeline.experiment.extensions import said_of
from pipeline.experiment.params import Params
from pipeline.generation.job import Job
from pipeline.generation.steps import conclude
from pipeline.making.judgement import judged, write_judged
from pipeline.making.transactions import make_base_in, make_step
from pipeline.recipes.let_go import let_go
from pipeline.recipes.rendering import roots
from pipeline.records.cache import md5_of
from pipeline.records.ledger import digests, sources
from pipeline.records.repository import Versions
from pipeline.storage.layout import BASE, RECIPE, Layout


def differences(params: Params, chain: Chain, generation: int) -> list[str]:
    """What does not agree in a committed generation, a line each: stored files against the lock, and a recomputation.

    Empty where everything agrees, to the byte. Generation 1 includes the base model that all arms share. Where what the
    generation was made from was let go, the stored files alone are compared; what was let go of itself is recomputed.
    """
    layout = Layout(params.experiment)
    folder = layout.generation(chain, generation)
    recorded = digests(folder)
    gone = {path.name for path in let_go(folder / RECIPE)}
    here = recorded.keys() - gone
    found = [f"{folder / name}: differs from what DVC recorded" for name in here if md5_of(folder / name) != recorded[name]]
    if rests_on_let_go(folder):
        return found
    changed = [path for path, md5 in sources(folder).items() if md5_of(path) != md5]
    if changed:  # from these a recomputation could only give something else
        return found + [f"{path}: differs from what {folder} was made from" for path in changed]
    machine.fix(params)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary) / "generation"
        work.mkdir()
        with said_of(where := f"{chain} generation {generation}, recomputed"):
            if generation == 1:
                make_base_in(params, chain.seed, work, where)
                found += _compare(layout.base(chain.seed), work, {BASE: md5_of(layout.base(chain.seed) / BASE)})
            job = Job(params, chain, generation, work)
            for step in job.strategy.steps:
                make_step(job, step, where)
            conclude(job)
            write_judged(work, *judged(params, chain, generation, work, where))
        found += _compare(folder, work, recorded)
    return found


def rests_on_let_go(folder: Path) -> bool:
    """Whether something that a generation was made from was let go, so that it cannot be recomputed by itself."""
    return any(path in let_go(path.with_name(RECIPE)) for path in sources(folder))


def altered(params: Params, chains: Collection[Chain]) -> list[str]:
    """The files of data, extractor, floor and base models that are not what DVC recorded, a line each."""
    versions = Versions(params, shared=True)
    return [f"{path}: differs from what DVC recorded" for stage in roots(params, chains) for path in versions.altered(stage)]


def gap(params: Params, chain: Chain, number: int, later: list[Path]) -> str:
    """Why a generation cannot be verified, though it or `later` ones are committed."""
    folder = Layout(params.experiment).generation(chain, number)
    gone = let_go(folder / RECIPE)
    for name in digests(folder):
        if folder / name not in gone and not (folder / name).exists():
            return f"{folder / name}: is not there"
    after = f"; {later[0].name} to {later[-1].name} came after it" if later[0] != folder else ""
    return f"{folder}: is not committed, or not from the one before{after}"


def _compare(folder: Path, work: Path, expected: Mapping[str, str | None]) -> list[str]:
    return [
        f"{folder / name}: a recomputation gives other bytes" for name, md5 in expected.items() if md5_of(work / name) != md5
    ]

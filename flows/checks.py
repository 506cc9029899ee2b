"""The commands `verify` and `restore`."""

import argparse
from pathlib import Path

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import load
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.storage.layout import PARAMS


def verify(given: argparse.Namespace) -> int:
    """Compare finished generations with what DVC recorded, and with a recomputation; gives the exit code."""
    from flows.plan import select
    from pipeline.making.verification import altered, differences, gap, rests_on_let_go
    from pipeline.records.ledger import beyond, finished

    params = load(Path(PARAMS))
    wrong = checked = partly = 0
    chains = select(params, None if given.arm is None else [given.arm], None, None)
    for line in altered(params, chains):
        wrong += 1
        print(line)
    for chain in chains:
        made = finished(params, chain, MAX_GENERATIONS)
        if later := beyond(params, chain, len(made)):
            wrong += 1
            print(gap(params, chain, len(made) + 1, later))
        for number, folder in enumerate(made, start=1):
            if given.generation not in (None, number):
                continue
            checked += 1
            partly += rests_on_let_go(folder)
            for line in differences(params, chain, number):
                wrong += 1
                print(line)
    if not checked and not wrong:
        raise BadInput("verify: no such finished generation of today's params.yaml; see self-consuming status")
    print(f"{checked} generations verified, {wrong} differences")
    if partly:
        print(f"{partly} of them by their stored files alone: what they were made from was let go (keep)")
    return 1 if wrong else 0


def restore(given: argparse.Namespace) -> None:
    """Make again what was let go of a generation."""
    from flows.plan import select
    from pipeline.making import restoring

    params = load(Path(PARAMS))
    chain = next(iter(select(params, [given.arm], None if given.seed is None else [given.seed], None)))
    restored = restoring.restore(params, chain, given.generation)
    print("\n".join(map(str, restored)) if restored else "nothing was let go of it")

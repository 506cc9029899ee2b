"""How far every chain is: generations that DVC calls current, that are there but stale, and that are missing."""

import os
from pathlib import Path
from typing import NamedTuple

from pipeline.experiment.chains import Chain, lengths
from pipeline.experiment.params import Params
from pipeline.making.renewal import renew_parts
from pipeline.records.repository import Versions
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, Layout


class State(NamedTuple):
    """How many generations of a chain are done, stale and missing, and the FID of the last one that is done, if any."""

    done: int
    stale: int
    missing: int
    fid: float | None


def generations(params: Params) -> dict[Chain, list[Path]]:
    """The folders of every chain's generations, made or not."""
    layout = Layout(params.experiment)
    return {chain: [layout.generation(chain, t) for t in range(1, n + 1)] for chain, n in lengths(params).items()}


def states(params: Params, folders: dict[Chain, list[Path]]) -> dict[Chain, State]:
    """The state of every chain, as DVC says it of the folders of its generations."""
    versions = Versions(params)
    if os.access(Layout(params.experiment).runs, os.W_OK):
        renew_parts(versions, params)
    current, found = versions.current([folder for each in folders.values() for folder in each]), dict[Chain, State]()
    for chain, each in folders.items():
        made, done = [(folder / METRICS).exists() for folder in each], [folder for folder in each if folder in current]
        fid = float(read_json(done[-1] / METRICS)["fid"]) if done else None
        found[chain] = State(len(done), sum(made) - len(done), len(each) - sum(made), fid)
    return found

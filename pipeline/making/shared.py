"""Making what all chains are held against: real data and the extractor. Points need no torch for it."""

from contextlib import nullcontext

import numpy as np

from pipeline.data.finite import Finite
from pipeline.data.source import dataset
from pipeline.data.stored import stored
from pipeline.data.storing import store
from pipeline.data.truth import Points
from pipeline.distance import extractor
from pipeline.experiment import machine
from pipeline.experiment.extensions import said_of
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.making.judgement import judge_real
from pipeline.storage.clock import timed
from pipeline.storage.files import Recording, staged, write_array
from pipeline.storage.layout import Layout
from pipeline.storage.within import at_work


def make_points(params: Params, seed: int, recording: Recording | None = None) -> None:
    """A seed's real set of points, and those that are held out to choose by."""
    machine.fix(params)
    layout = Layout(params.experiment)
    with timed(layout.runs, "data", seed=seed), said_of(f"data of seed {seed}"):
        source = dataset(params)
        assert isinstance(source, Points)
        real, held_out = source.real(seed), source.held_out(seed)
        if len(real) != params.data.n_real or (real.dtype, real.ndim) != (np.float32, 2):
            raise ArithmeticError(
                f"data.kind {kind_of(params.data)} gives {real.dtype} {list(real.shape)} instead of n_real {params.data.n_real}"
                " float32 points [N, D]"
            )
    with recording or nullcontext():
        write_array(layout.real(seed), real)
        if params.evaluation.selection:
            write_array(layout.held_out(seed), held_out)


def make_set(params: Params, recording: Recording | None = None) -> None:
    """A finite set: what all seeds train on, what is held out to choose by, and what to report by."""
    machine.fix(params)
    layout = Layout(params.experiment)
    step, folder = "data", layout.data
    with timed(layout.runs, step), said_of(step), at_work(folder, step), staged(folder, recording) as work:
        source = dataset(params)
        assert isinstance(source, Finite)
        store(params, source, work)


def make_extractor(params: Params, recording: Recording | None = None) -> None:
    """The files of an extractor that has any."""
    layout = Layout(params.experiment)
    step, folder = "extractor", layout.extractor
    with timed(layout.runs, step), said_of(step), at_work(folder, step), staged(folder, recording) as work:
        made = extractor.made(params, stored(params))
        machine.fix(params)  # by now all libraries that compute are there
        made.fit(work)


def make_shared(params: Params) -> None:
    """Data, extractor and floor of an experiment, recorded nowhere: for a study's point."""
    if params.data.has_truth:
        for seed in params.seeds:
            make_points(params, seed)
    else:
        make_set(params)
    if extractor.made(params, stored(params)).files:
        make_extractor(params)
    judge_real(params)

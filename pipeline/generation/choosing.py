"""Choosing a guidance by real samples that are held out for it: `guidance: auto`."""

import math
from collections.abc import Callable

from pipeline.data import stored
from pipeline.data.arrays import read_samples
from pipeline.data.samples import Labelled
from pipeline.distance.extractor import Reference
from pipeline.distance.frechet import frechet
from pipeline.experiment.params import Params
from pipeline.storage.layout import Layout

CANDIDATES = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0]
"""The guidances that `auto` chooses from where the arm names none."""
SELECTION_SAMPLES = 2000
"""Samples that each guidance is judged by where one is to be chosen, and params.yaml does not say."""


def choose(
    params: Params, seed: int, candidates: list[float], draw: Callable[[float, int], Labelled]
) -> dict[str, float | int]:
    """The guidance whose samples are nearest to real data that nothing is trained on or reported by.

    Args:
        params: the experiment, with `evaluation.selection`.
        seed: of the chain; points have held-out real samples of their own for each.
        candidates: the guidances.
        draw: (guidance, n) -> n samples of a stream that nothing is reported by.

    Returns guidance, selection_fid (its distance) and n_selection (the real samples it was judged by). A guidance whose
    trajectories diverge is infinitely far. Raises FloatingPointError where all are.
    """
    layout, n = Layout(params.experiment), params.evaluation.selection_n or SELECTION_SAMPLES
    held_out = read_samples(stored.held_out(params, seed)).values
    extractor = Reference(params, layout.extractor).extractor
    target = extractor.moments(held_out)

    def distance(w: float) -> float:
        try:
            return frechet(*extractor.moments(draw(w, n).values), *target)
        except FloatingPointError:
            return math.inf

    distances = {w: distance(w) for w in candidates}
    best = min(candidates, key=lambda w: distances[w])
    if distances[best] == math.inf:
        raise FloatingPointError(f"the guided trajectories diverged with every one of the candidates {candidates}")
    return {"guidance": best, "selection_fid": distances[best], "n_selection": len(held_out)}

"""Which images are trained on, which are to choose by, and which are to report by."""

import numpy as np

from pipeline.data.finite import Finite, shuffled
from pipeline.data.samples import Labelled
from pipeline.experiment.errors import BadInput


def split(training: Labelled, test: Labelled | None, n_real: int, n_held_out: int, what: str) -> Finite:
    """A fixed split: `n_real` to train on, and what is left to choose and to report by.

    A set with test images of its own reports by these. What is held out to choose by then comes from the training images that
    are left, or, where they are too few, from the test images. What is drawn stays in the files' order, which often is that of
    the classes: whoever looks at some of a part draws them (`pipeline.data.samples.some`). Raises BadInput for fewer images
    than asked for.
    """
    if test is None:
        if len(training) < n_real + n_held_out + 2:
            beside = f" beside {n_held_out} held out" if n_held_out else ""
            raise BadInput(
                f"data.n_real: {n_real} is not allowed{beside}: {what} has {len(training)} images, and some must be left to"
                " report by"
            )
        return Finite.split(training, n_real, n_held_out)
    if len(training) < n_real:
        raise BadInput(f"data.n_real: {n_real} is not allowed: {what} has {len(training)} training images")
    if training.labels is not None and test.labels is not None and test.labels.max() > training.labels.max():
        raise BadInput(f"data: {what}: test images have class {test.labels.max()}, which there is none of to train on")
    if len(test) < 2:
        raise BadInput(f"data: {what} has {len(test)} test images: 2 are the least to report by")
    order = shuffled(len(training))
    part = training[np.sort(order[:n_real])]
    if len(training) - n_real >= n_held_out:
        return Finite.of_parts(part, training[np.sort(order[n_real : n_real + n_held_out])], test)
    if len(test) < n_held_out + 2:
        raise BadInput(f"evaluation.selection: {n_held_out} is not allowed: {what} has {len(test)} test images")
    chosen = shuffled(len(test), 1)
    return Finite.of_parts(part, test[np.sort(chosen[:n_held_out])], test[np.sort(chosen[n_held_out:])])

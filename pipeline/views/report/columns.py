"""The data dictionary: what every column of collapse.csv is; `columns.md` beside it."""

import re
from collections.abc import Iterable

from pipeline.experiment.arms import Arm
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of

FEATURES = "features (the extractor's)"
MEANINGS = {
    "arm": "the arm: a loop with a strategy, by its name in params.yaml",
    "seed": "the seed of the chain: everything that it draws and trains follows from it",
    "generation": "the number of the generation, from 1, which is trained on real data alone",
    "fid": f"Fréchet distance of the arm's samples, by {FEATURES}, from the reference; on points with identity: the exact"
    " squared Wasserstein-2 distance of the Gaussians with the same moments. Lower is better",
    "fid_base": "the same of samples of the base model alone; equal to fid where the strategy has no second model",
    "fid_infinity": "fid, extrapolated to infinitely many samples (arXiv 1911.07023)",
    "n_infinity": "samples in the smallest parts that fid_infinity is extrapolated from",
    "n_samples": "samples that fid and what has no count of its own are of",
    "n_reference": "samples of the reference that fid compares with; 0 where its file does not say",
    "extractor": "what gives features: identity for points, a network for images",
    "reference": "what fid compares with: truth (exact moments), a split of the data set, or a file of statistics",
    "environment": "device, precision, torch's version and number of processes that made the generation",
    "guidance": "w of the strategy's guidance, given or (auto) chosen in this generation; empty where there is none",
    "selection_fid": "with guidance auto: the FID that w was chosen by, on samples that nothing else is judged by",
    "n_selection": "with guidance auto: the real samples that selection_fid compares with",
    "images_seen": "samples that training has processed in this generation, with repetition, over all its networks",
    "nfe": "network evaluations that one sample takes, over all networks",
    "kid": "kernel distance of features (arXiv 1801.01401), the mean over n_kid_subsets subsets; may be below 0",
    "n_kid": "samples in each subset of kid",
    "n_kid_subsets": "random subsets that kid is the mean of",
    "precision": "share of samples within the reference's neighbourhoods (arXiv 1904.06991): quality, from 0 to 1",
    "recall": "share of the reference within the samples' neighbourhoods (arXiv 1904.06991): diversity, from 0 to 1",
    "density": "mean number of the reference's neighbourhoods that a sample is in, over k (arXiv 2002.09797); may exceed 1",
    "coverage": "share of the reference's neighbourhoods with a sample in them (arXiv 2002.09797): diversity, from 0 to 1",
    "n_prdc": "samples that precision, recall, density and coverage look at",
    "n_prdc_reference": "points of the reference that they look at",
    "n_neighbours": "k: a point's neighbourhood reaches to its k-th nearest neighbour of its own kind",
    "sliced_wasserstein": "root mean square, over random directions, of the Wasserstein-2 distance of the projections, in the"
    " points' units; points with a known truth alone",
    "n_directions": "directions of sliced_wasserstein",
    "mean_error": "Euclidean distance of the samples' mean from the truth's",
    "covariance_error": "Frobenius norm of the samples' covariance minus the truth's",
    "trace": "trace of the samples' covariance, their total variance",
    "trace_ratio": "trace over the truth's: below 1 is a loss of diversity",
    "modes_lost": "modes of a mixture that fewer than a tenth of their share of the samples are near to",
    "mode_shares": "share of the samples that are likeliest from a mode",
    "mode_spreads": "standard deviation of a coordinate of those samples about the mode's mean; 0 for none",
    "class_entropy": "entropy of the classes that the extractor sees among the samples, in nats",
    "class_shares": "share of the samples that were drawn of a class",
    "seen_shares": "share of the samples that the extractor takes for a class",
    "label_agreement": "share of the samples that the extractor takes for the class that they were drawn of",
    "class_fid": "fid of the samples drawn of a class from the real ones of that class",
    "nearest_training_distance": "mean distance of the first n_nearest images to the nearest training image, pixels from 0 to"
    " 1: near 0 where they are copies",
    "n_nearest": "images of nearest_training_distance",
    "loop": "how the arm's training sets are made (docs/arms.md)",
    "strategy": "how the arm samples (docs/arms.md)",
    "n_synthetic": "samples of a generation that later ones get",
}
"""By name; a column NAME.KK is the KK-th number of a list, from 0."""


def meaning(params: Params, column: str) -> str | None:
    """What a column of collapse.csv is; None where nothing is known of it."""
    name, _, place = column.partition(".")
    if column in MEANINGS:
        return MEANINGS[column]
    if name in MEANINGS and re.fullmatch(r"\d+", place):
        return f"{MEANINGS[name]}; number {int(place)}, from 0"
    if column.removeprefix("arms.").partition(".")[0] in Arm.model_fields:
        return "the arm's key of this name in params.yaml; empty where it has none"
    own = [kind_of(each) for each in params.evaluation.metrics]
    return f"given by one of the metrics that params.yaml names: {', '.join(own)}" if own else None


def dictionary(params: Params, columns: Iterable[str]) -> str:
    """A table of Markdown: every column and its meaning."""
    lines = [f"| `{column}` | {meaning(params, column) or 'not known here'} |\n" for column in columns]
    head = f"# Columns of collapse.csv, experiment {params.experiment}\n\nA row is a finished generation of a chain.\n\n"
    return f"{head}| column | meaning |\n| --- | --- |\n{''.join(lines)}"

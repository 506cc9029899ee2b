"""Study `control`: steering the distribution by an auxiliary that learns the complement of what is wanted.

The base's samples are labelled by an attribute (a group of classes, or of a mixture's modes). For the target share q_t of the
group, S is sub-sampled to q_s = ((1 + w) q_r - q_t) / w, where q_r is the base's own share. The law is one of first order: even
exact denoisers of well-separated modes fall short of it by a seventh of the way. So the share that guided samples reach is
measured, on a stream that nothing is reported by, and q_s is corrected by what is lacking, a few times.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field

from models.guidance import sims
from pipeline.datasets import Array, Points, dataset
from pipeline.files import read_array
from pipeline.layout import BASE, Layout
from pipeline.measures.features import features, labels, load_classifier
from pipeline.measures.intervals import bootstrap
from pipeline.measures.metrics import Floats, frechet, moments
from pipeline.measures.theory import complement_share, mixture_share
from pipeline.params import Params
from pipeline.sections import Section
from pipeline.steps import draw, fit_model, load_model
from pipeline.studies.study import Bench, Row, Summary

Member = NDArray[np.bool_]


class Attribute:
    """Which samples belong to the group, and how far samples are from real data with a certain share of it.

    For points, a group of the mixture's modes, each sample belonging to the likeliest; for images, a group of the classes, as
    the classifier labels them.
    """

    def __init__(self, params: Params, group: list[int]) -> None:
        self._group = np.array(group)
        source = dataset(params)
        if isinstance(source, Points):
            truth = source.truth
            inverse, log_det = np.linalg.inv(truth.covariances), np.linalg.slogdet(truth.covariances)[1]

            def likeliest(samples: Array) -> Array:
                offsets = samples.astype(np.float64)[:, None] - truth.means
                squares = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets)
                return (squares + log_det - 2 * np.log(truth.shares)).argmin(axis=1)

            inside = np.isin(np.arange(len(truth.shares)), self._group)

            def target(share: float) -> tuple[Floats, Floats]:
                scale = np.where(inside, share / truth.shares[inside].sum(), (1 - share) / truth.shares[~inside].sum())
                there = replace(truth, shares=truth.shares * scale)
                return there.mean, there.covariance

            self._label: Callable[[Array], Array] = likeliest
            self._describe: Callable[[Array], tuple[Floats, Floats]] = moments
            self._target: Callable[[float], tuple[Floats, Floats]] = target
        else:
            layout = Layout(params.experiment)
            model, reference = load_classifier(layout.extractor, source), source.reference
            described = features(model, read_array(layout.reference)).astype(np.float64)
            member = np.isin(reference.labels, self._group)

            def reweighted(share: float) -> tuple[Floats, Floats]:
                weights = np.where(member, share / member.sum(), (1 - share) / (~member).sum())
                mean = weights @ described
                centred = described - mean
                return mean, (centred * weights[:, None]).T @ centred / (1 - (weights**2).sum())

            self._label = lambda images: labels(model, images)
            self._describe = lambda images: moments(features(model, images))
            self._target = reweighted

    def members(self, samples: Array) -> Member:
        """Which samples belong to the group, [N]."""
        return np.isin(self._label(samples), self._group)

    def distance(self, samples: Array, share: float) -> float:
        """FID of samples against real data in which the group has the share."""
        return frechet(*self._describe(samples), *self._target(share))


class Settings(Section):
    """`settings` of the study's file.

    Attributes:
        group: the modes or classes whose share is to be steered.
        real_share: the group's share in the real data.
        guidance: w.
        corrections: how often the share in S is corrected.
        pool: samples of the base that S is chosen from, in units of auxiliary.n.
    """

    group: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    real_share: Annotated[float, Field(gt=0, lt=1)]
    guidance: Annotated[float, Field(gt=0, le=100)]
    corrections: Annotated[int, Field(ge=0, le=20)]
    pool: Annotated[int, Field(ge=1, le=100)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where the group is no part of the modes or classes, or has another share of the truth than is said."""
    source = dataset(params)
    count = len(source.truth.shares) if isinstance(source, Points) else int(source.reference.labels.max()) + 1
    group = set(settings.group)
    if max(group) >= count or len(group) == count:
        raise ValueError(f"settings.group: {settings.group} is not allowed: some, but not all, of 0 to {count - 1}")
    share = float(source.truth.shares[sorted(group)].sum()) if isinstance(source, Points) else settings.real_share
    if abs(share - settings.real_share) > 1e-6:
        raise ValueError(f"settings.real_share: {settings.real_share:g} is not allowed: the truth's is {share:g}")


def point(bench: Bench) -> list[Row]:
    """The share that guided samples reach, and their FID, beside the base's own and plain rejection from the base's samples."""
    params, settings, target = bench.params, bench.settings, float(bench.at["target"])
    w, count, n = float(settings.guidance), params.evaluation.n, params.auxiliary.n
    job = bench.base()
    base, attribute = load_model(job, BASE), Attribute(params, list(settings.group))
    pool = draw(job, base, "auxiliary", n * int(settings.pool))
    member = attribute.members(pool)
    q_base = float(member.mean())
    wanted = complement_share(q_base, target, w)
    q_auxiliary = min(1.0, max(0.0, wanted))
    nearest = mixture_share(q_base, q_auxiliary, w)
    tried: list[tuple[float, float]] = []
    for correction in range(int(settings.corrections) + 1):
        auxiliary = fit_model(job, base, with_share(pool, member, q_auxiliary, n), params.auxiliary, "fine-tune")
        denoise = sims(base, auxiliary, w)
        if correction < int(settings.corrections):
            reached = float(attribute.members(draw(job, denoise, "selection", count)).mean())
            tried.append((q_auxiliary, reached))
            q_auxiliary = corrected(tried, target, w)
    guided = draw(job, denoise, "synthetic", count)
    unguided = draw(job, base, "synthetic", count)
    rejected = with_share(pool, member, target, min(count, n))
    return [
        {
            "w": w,
            "q_base": q_base,
            "q_law": wanted,
            "q_auxiliary": q_auxiliary,
            "feasible": bool(0 <= wanted <= 1),
            "nearest": target if 0 <= wanted <= 1 else nearest,
            "achieved_by_law": tried[0][1] if tried else None,
            "achieved": float(attribute.members(guided).mean()),
            "fid": attribute.distance(guided, target),
            "fid_base": attribute.distance(unguided, attribute.members(unguided).mean()),
            "fid_base_real": attribute.distance(unguided, float(settings.real_share)),
            "fid_rejection": attribute.distance(rejected, target),
            "rejection_draws": max(target / q_base, (1 - target) / (1 - q_base)),
        }
    ]


def corrected(tried: list[tuple[float, float]], target: float, w: float) -> float:
    """The next share in S, after shares that were tried and what guided samples reached: the secant's, at first the law's."""
    share, reached = tried[-1]
    slope = -w
    if len(tried) > 1 and share != tried[-2][0]:
        slope = max(-w, min(-w / 3, (reached - tried[-2][1]) / (share - tried[-2][0])))
    return min(1.0, max(0.0, share + (target - reached) / slope))


def with_share(pool: Array, member: Member, share: float, n: int) -> Array:
    """n samples of a pool of which the share belongs to the group, or as many as the pool has in these proportions."""
    inside, outside = np.flatnonzero(member), np.flatnonzero(~member)
    limits = [len(part) / part_share for part, part_share in ((inside, share), (outside, 1 - share)) if part_share > 0]
    size = min(n, *(int(limit) for limit in limits))
    chosen = round(share * size)
    return pool[np.sort(np.concatenate([inside[:chosen], outside[: size - chosen]]))]


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Achieved shares and FIDs at every target, and the largest error among the feasible ones."""
    rows = []
    for target, part in results.groupby("target"):
        achieved = bootstrap(part["achieved"])
        row = {"target": target, "feasible": f"{part['feasible'].sum()} of {len(part)}", "nearest": part["nearest"].mean()}
        row |= {"q_s by law": part["q_law"].mean(), "achieved by law": part["achieved_by_law"].mean()}
        row |= {"q_s": part["q_auxiliary"].mean(), "achieved": achieved.value, "low": achieved.low, "high": achieved.high}
        row |= {name: part[name].mean() for name in ("fid", "fid_base", "fid_rejection", "rejection_draws")}
        rows.append(row)
    feasible = results[results["feasible"]]
    if feasible.empty:
        return Summary("no target is feasible", {"targets": pd.DataFrame(rows)})
    errors = (feasible.groupby("target")["achieved"].mean() - feasible.groupby("target")["nearest"].mean()).abs()
    single = (feasible["achieved"] - feasible["nearest"]).abs().max()
    text = (
        f"the achieved share is within {errors.max():.3f} of the target for all feasible targets in the mean of"
        f" {results['seed'].nunique()} seeds (within {single:.3f} for each single seed); mean FID against real data of the"
        f" target distribution {feasible['fid'].mean():.3g}, the base's against its own {feasible['fid_base'].mean():.3g},"
        f" rejection from the base {feasible['fid_rejection'].mean():.3g}"
    )
    return Summary(text, {"targets": pd.DataFrame(rows)})


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Achieved against wanted shares, and the FIDs."""
    figure, (shares, distances) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    targets = sorted(results["target"].unique())
    shares.plot(targets, targets, color="grey", linewidth=1, label="target")
    for feasible, part in results.groupby("feasible"):
        label = "SIMS" if feasible else "SIMS, target infeasible"
        shares.plot(part["target"], part["achieved"], ".", label=label)
    shares.set(xlabel="target share", ylabel="achieved share", title=f"{results['seed'].nunique()} seeds")
    shares.legend()
    names = {"fid": "SIMS", "fid_rejection": "rejection from the base", "fid_base": "base, against its own distribution"}
    for column, label in names.items():
        distances.plot(results.groupby("target")[column].mean(), marker=".", label=label)
    distances.set(xlabel="target share", ylabel="FID against real data of the target distribution")
    distances.legend()
    return figure

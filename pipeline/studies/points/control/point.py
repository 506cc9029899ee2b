"""Study `control`: steering the distribution by an auxiliary that learns the complement of what is wanted.

The base's samples are labelled by an attribute (a group of classes, or of a mixture's modes). For the target share q_t of the
group, S is sub-sampled to q_s = ((1 + w) q_r - q_t) / w, where q_r is the base's own share. The same holds for every class by
itself, where the classes within the group and outside are to keep their real proportions. The law is one of first order: even
exact denoisers of well-separated modes fall short of it. So the shares that guided samples reach are measured, on a stream that
nothing is reported by, and q_s is corrected by what is lacking, a few times. Where the group's q_s would be outside [0, 1], the
target is infeasible: the nearest share that the law gives is aimed at, and judged by.
"""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from models.diffusion.denoiser import Denoise
from models.diffusion.guidance import sims
from pipeline.analysis.theory import complement_share, mixture_share
from pipeline.data.samples import Labelled
from pipeline.data.source import dataset
from pipeline.data.truth import Points
from pipeline.distance.frechet import Floats
from pipeline.experiment.budgets import Auxiliary
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Count, Section, kind_of
from pipeline.generation.job import draw, fit_model, load_model
from pipeline.storage.layout import BASE
from pipeline.studies.bench.study import Bench, Row
from pipeline.studies.points.control.attribute import Attribute, By, with_shares

Tried = list[tuple[Floats, Floats]]
"""Shares of the parts in S, and what guided samples reached with them."""


LEAST = 4
"""A class's share in S is at first no less than its own among the base's samples over this."""


SAMPLED = 0.03
"""How far a finite set's share of the group may be from what is said: what counts is what is said."""


RESPONSE = 0.6
"""Of w: about the power of a class's share in S by which its share among guided samples falls."""


class Settings(Section):
    """`settings` of the study's file. Every guidance with every budget is a candidate.

    Attributes:
        group: the modes or classes whose share is to be steered.
        real_share: the group's share in the real data.
        by: whether the shares of the group and the rest are steered, or that of every class.
        guidances: w.
        budgets: steps of the auxiliary.
        corrections: how often the share in S is corrected.
        pool: samples of the base that S is chosen from, in units of auxiliary.n.
    """

    group: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    real_share: Annotated[float, Field(gt=0, lt=1)]
    by: By
    guidances: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1)]
    budgets: Annotated[list[Count], Field(min_length=1)]
    corrections: Annotated[int, Field(ge=0, le=20)]
    pool: Annotated[int, Field(ge=1, le=100)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where the group is no part of the modes or classes, or has another share of the real data than is said.

    Also where nothing tells classes apart, or models are told of them: their shares then are whatever one asks for.
    """
    if params.labels is not None:
        raise ValueError(f"changes.labels: {params.labels} is not allowed: models that are told no classes are steered; null")
    if not params.data.has_truth and not params.evaluation.extractor.knows_classes:
        kind = kind_of(params.evaluation.extractor)
        raise ValueError(f"changes.evaluation.extractor: {kind} is not allowed: one that tells classes apart, as classifier")
    source = dataset(params)
    shares = source.truth.shares if isinstance(source, Points) else np.bincount(source.training.classes) / params.data.n_real
    group, count = set(settings.group), len(shares)
    if max(group) >= count or len(group) == count:
        raise ValueError(f"settings.group: {settings.group} is not allowed: some, but not all, of 0 to {count - 1}")
    share, near = float(shares[sorted(group)].sum()), 1e-6 if params.data.has_truth else SAMPLED
    if abs(share - settings.real_share) > near:
        raise ValueError(f"settings.real_share: {settings.real_share:g} is not allowed: the real data's is {share:.3g}")


def point(bench: Bench) -> list[Row]:
    """The share that guided samples reach, and their FID, beside the base's own and plain rejection from the base's samples."""
    params, settings, target = bench.params, bench.settings, float(bench.at["target"])
    job, count = bench.base(), params.evaluation.n
    base, attribute = load_model(job, BASE), Attribute(params, list(settings.group), settings.by)
    pool = draw(job, base, "auxiliary", params.auxiliary.n * int(settings.pool)).values
    parts, q_base, own = attribute.parts(pool), attribute.share(pool), attribute.shares(pool)
    unguided = draw(job, base, "synthetic", count).values
    common: Row = {
        "q_base": q_base,
        "fid_base": attribute.distance(unguided, attribute.share(unguided)),
        "fid_base_real": attribute.distance(unguided, float(settings.real_share)),
    }
    rows: list[Row] = []
    for w in map(float, settings.guidances):
        wanted = complement_share(q_base, target, w)
        q_law = min(1.0, max(0.0, wanted))
        aim = target if q_law == wanted else mixture_share(q_base, q_law, w)
        shares = attribute.wanted(aim)
        rejected = with_shares(pool, parts, shares, min(count, params.auxiliary.n))
        floor, floor_n = attribute.floor(aim)
        of_law: Row = {"w": w, "q_law": wanted, "feasible": q_law == wanted, "nearest": aim}
        of_law |= {"fid_rejection": attribute.distance(rejected, aim), "rejection_draws": float((shares / own).max())}
        of_law |= {"floor": floor, "floor_n": floor_n}
        by_law = within((((1 + w) * own - shares) / w).clip(own / LEAST if settings.by == "classes" else 0))
        for budget in map(int, settings.budgets):
            training = params.auxiliary.model_copy(update={"steps": budget})

            def guided_by(in_s: Floats, w: float = w, training: Auxiliary = training) -> Denoise:
                drawn = with_shares(pool, parts, in_s, params.auxiliary.n)
                return sims(base, fit_model(job, base, Labelled(drawn), training, "fine-tune"), w)

            rows.append(common | of_law | {"budget": budget} | _steered(bench, attribute, guided_by, by_law, aim, w))
    return rows


def _steered(
    bench: Bench, attribute: Attribute, guided_by: Callable[[Floats], Denoise], in_s: Floats, aim: float, w: float
) -> Row:
    """What comes of a guidance whose S is chosen by the law, and then corrected; nothing where its trajectories diverge."""
    job, count, tried = bench.job(1), bench.params.evaluation.n, list[tuple[Floats, Floats]]()
    n_group, wanted = attribute.n_group, attribute.wanted(aim)
    try:
        denoise = guided_by(in_s)
        for _ in range(int(bench.settings.corrections)):
            tried.append((in_s, attribute.shares(draw(job, denoise, "selection", count).values)))
            in_s = rescaled(*tried[-1], wanted, w) if bench.settings.by == "classes" else corrected(tried, wanted, w)
            denoise = guided_by(in_s)
        guided = draw(job, denoise, "synthetic", count).values
    except FloatingPointError:
        return {"q_auxiliary": float(in_s[:n_group].sum()), "achieved_by_law": None, "achieved": None, "fid": None}
    return {
        "q_auxiliary": float(in_s[:n_group].sum()),
        "achieved_by_law": float(tried[0][1][:n_group].sum()) if tried else None,
        "achieved": attribute.share(guided),
        "fid": attribute.distance(guided, aim),
    }


def corrected(tried: Tried, wanted: Floats, w: float) -> Floats:
    """The next shares in S, after those that were tried and what guided samples reached: the secant's, at first the law's."""
    shares, reached = tried[-1]
    slopes = np.full(len(shares), -w)
    if len(tried) > 1:
        moved = shares - tried[-2][0]
        secant = np.divide(reached - tried[-2][1], moved, out=slopes.copy(), where=moved != 0)
        slopes = np.where(moved == 0, -w, secant.clip(-w, -w / 3))
    return within(shares + (wanted - reached) / slopes)


def rescaled(shares: Floats, reached: Floats, wanted: Floats, w: float) -> Floats:
    """The next shares of many parts in S: each by the ratio of what guided samples reached to what is wanted, to a power.

    Small shares are noisy, and guidance away from samples without a class gives far too much of it: so no secant, and none
    becomes 0.
    """
    return within(shares * (reached.clip(1 / 1000) / wanted) ** (1 / (RESPONSE * w)))


def within(shares: Floats) -> Floats:
    """Shares of parts, none below 0, and 1 together."""
    there = shares.clip(0)
    return there / there.sum()

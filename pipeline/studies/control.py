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

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field

from models.denoiser import Denoise
from models.guidance import sims
from pipeline.datasets import Points, dataset
from pipeline.job import draw, fit_model, load_model
from pipeline.layout import BASE
from pipeline.measures.intervals import bootstrap
from pipeline.measures.metrics import Floats
from pipeline.measures.theory import complement_share, mixture_share
from pipeline.params import Params
from pipeline.reporting.figures import band
from pipeline.sections import Auxiliary, Count, Section
from pipeline.studies.attribute import Attribute, By, with_shares
from pipeline.studies.study import Bench, Row, Summary, diverged_as_infinite

Tried = list[tuple[Floats, Floats]]
"""Shares of the parts in S, and what guided samples reached with them."""
LEAST = 4
"""A class's share in S is at first no less than its own among the base's samples over this."""
RESPONSE = 0.6
"""Of w: about the power of a class's share in S by which its share among guided samples falls."""
TOLERANCE = 0.05
"""How far from its target a candidate's mean share may be when the one with the lowest FID is looked for."""


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
    job, count = bench.base(), params.evaluation.n
    base, attribute = load_model(job, BASE), Attribute(params, list(settings.group), settings.by)
    pool = draw(job, base, "auxiliary", params.auxiliary.n * int(settings.pool))
    parts, q_base, own = attribute.parts(pool), attribute.share(pool), attribute.shares(pool)
    unguided = draw(job, base, "synthetic", count)
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
                return sims(base, fit_model(job, base, drawn, training, "fine-tune"), w)

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
            tried.append((in_s, attribute.shares(draw(job, denoise, "selection", count))))
            in_s = rescaled(*tried[-1], wanted, w) if bench.settings.by == "classes" else corrected(tried, wanted, w)
            denoise = guided_by(in_s)
        guided = draw(job, denoise, "synthetic", count)
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


def candidates(results: pd.DataFrame) -> pd.DataFrame:
    """A row a target and candidate (w and budget): its means over the seeds, and whether it is the target's best.

    The best is the one with the lowest FID among those whose share is within TOLERANCE of what is aimed at; where none is, the
    one whose share is nearest.
    """
    rows = []
    for _, of_target in diverged_as_infinite(results).groupby("target"):
        mine = []
        for (target, w, budget), part in of_target.groupby(["target", "w", "budget"]):
            achieved, distance = bootstrap(part["achieved"].astype(float)), bootstrap(part["fid"])
            row = {"target": target, "w": w, "steps": budget, "seeds": len(part)}
            row |= {"feasible": f"{part['feasible'].sum()} of {len(part)}", "nearest": part["nearest"].mean()}
            row |= {"q_s by law": part["q_law"].mean(), "achieved by law": part["achieved_by_law"].astype(float).mean()}
            row |= {"q_s": part["q_auxiliary"].mean()}
            row |= {"achieved": achieved.value, "achieved_low": achieved.low, "achieved_high": achieved.high}
            row |= {"fid": distance.value, "fid_low": distance.low, "fid_high": distance.high}
            mine.append(row | {name: part[name].mean() for name in ("fid_base", "fid_rejection", "rejection_draws", "floor")})
        table = pd.DataFrame(mine)
        error = (table["achieved"] - table["nearest"]).abs().fillna(np.inf)
        reached = error <= TOLERANCE
        best = table["fid"].where(reached).idxmin() if reached.any() else error.idxmin()
        rows.append(table.assign(best=table.index == best))
    return pd.concat(rows, ignore_index=True)


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Achieved shares and FIDs at every target, and the largest error among the feasible ones."""
    table = candidates(results)
    chosen = best(results, table)
    tables = {"targets": table}
    feasible = chosen[chosen["feasible"] & chosen["achieved"].notna()]
    if feasible.empty:
        return Summary("no target is feasible", tables)
    by_target = feasible.groupby("target")[["achieved", "nearest", "fid", "fid_base"]].mean()
    errors = (by_target["achieved"] - by_target["nearest"]).abs()
    single = (feasible["achieved"] - feasible["nearest"]).abs().max()
    worse = by_target.index[by_target["fid"] > by_target["fid_base"]]
    count = len(settings.guidances) * len(settings.budgets)
    text = f"the best of {count} candidates at each target, which are to be reported on other seeds: " if count > 1 else ""
    text += (
        f"the achieved share is within {errors.max():.3f} of the target for all feasible targets in the mean of"
        f" {results['seed'].nunique()} seeds (within {single:.3f} for each single seed); mean FID against real data of the"
        f" target distribution {feasible['fid'].mean():.3g}, the base's against its own {feasible['fid_base'].mean():.3g},"
        f" rejection from the base {feasible['fid_rejection'].mean():.3g}; "
    )
    text += "no target's is worse than the base's" if worse.empty else f"worse than the base's at {', '.join(map(str, worse))}"
    return Summary(text, tables)


def best(results: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each target's best candidate, by the table of `candidates`."""
    wanted = table[table["best"]].rename(columns={"steps": "budget"})[["target", "w", "budget"]]
    return results.merge(wanted, on=["target", "w", "budget"])


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Achieved against wanted shares, and the FIDs with their range over seeds, of each target's best candidate."""
    chosen = best(results, candidates(results)).sort_values("target")
    figure, (shares, distances) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    targets = sorted(chosen["target"].unique())
    shares.plot(targets, targets, color="grey", linewidth=1, label="target")
    for feasible, part in chosen.groupby("feasible"):
        label = "SIMS" if feasible else "SIMS, target infeasible"
        shares.plot(part["target"], part["achieved"].astype(float), ".", label=label)
    shares.set(xlabel="target share", ylabel="achieved share", title=f"{chosen['seed'].nunique()} seeds")
    shares.legend()
    names = {"fid": "SIMS", "fid_rejection": "rejection from the base", "fid_base": "base, against its own distribution"}
    for column, label in names.items():
        band(distances, chosen.groupby("target")[column], label)
    label = f"real against real, {chosen['floor_n'].max():.0f} samples"
    distances.plot(chosen.groupby("target")["floor"].mean(), color="black", linestyle=":", linewidth=1, label=label)
    distances.set(
        xlabel="target share", ylabel="FID against real data of the target distribution", title="mean and range of the seeds"
    )
    distances.legend()
    return figure

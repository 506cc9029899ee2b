"""Study `protocol`: one base model and what strategies make of it, by the protocol that published figures are made by.

w is chosen on a grid by `select` samples of a stream that nothing is reported by, and what it gives is reported on `report`
samples of another stream (Neon, arXiv 2510.03597: 10,000 and 50,000), for every budget of one fine-tuning.

Study `improvement` asks another question: there a place on the grid is chosen on some base models and reported on others, to
say how a strategy does on the next training of this kind. Here the base model is given, often published, and there is one of
it: only the samples can be others. Both share the fine-tuning and its budgets (`bench/fine_tuning.py`).
"""

import math
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from models.diffusion.denoiser import Denoise, Denoiser
from pipeline.experiment.arms import Guidance
from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import STRATEGIES
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Section
from pipeline.generation import steps
from pipeline.generation.job import Job, draw, load_model
from pipeline.storage.layout import AUXILIARY, BASE, Layout
from pipeline.studies.bench.fine_tuning import COMBINE, Budgets, auxiliary_of, fine_tuned
from pipeline.studies.bench.kept import Kept, belonging
from pipeline.studies.bench.study import Bench, Row, guided_fid

CHOOSING, REPORTING = "selection", "synthetic"
"""The streams of samples, as a run has them, too: w is chosen by the one and reported by the other."""
Images = Annotated[int, Field(ge=2, le=10_000_000)]


class Protocol(Section):
    """How many samples w is chosen by, and how many others it is reported on."""

    select: Images = 10_000
    report: Images = 50_000


class Settings(Section):
    """`settings` of the study's file: the protocol, the grid of w, the strategies; budgets are steps, multiples of 64."""

    protocol: Protocol = Protocol()
    budgets: Budgets
    guidances: Annotated[list[Guidance], Field(min_length=1)]
    strategies: Annotated[list[Literal["sims", "neon", "autoguidance"]], Field(min_length=1)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where there is no guide for autoguidance, or a budget is no prefix of the longest."""
    if "autoguidance" in settings.strategies and _guided(params) is None:
        raise ValueError("settings.strategies: 'autoguidance' is not allowed: the preset has no arm with it, and so no guide")
    if len(settings.budgets) > 1 and params.auxiliary.schedule == "cosine":
        raise ValueError(
            "settings.budgets: more than one is not allowed: with auxiliary.schedule cosine a longer fine-tuning does not begin"
            " as a shorter one"
        )


def point(bench: Bench) -> list[Row]:
    """FIDs of the base and of every strategy and budget: on the grid, and where w is chosen, on the samples to report by."""
    params, settings = bench.params, bench.settings
    job = bench.base()
    files = (job.work / BASE, Layout(params.experiment).facts)
    kept = Kept(bench.kept, belonging(params, *files) if bench.kept else "")
    base = load_model(job, BASE)
    measure = _measure(job, settings.protocol, kept)
    rows = [_row("base", 0, 0.0, phase, settings.protocol) | {"fid": measure("base", phase, base)} for phase in PHASES]
    at_zero = {phase: row["fid"] for phase, row in zip(PHASES, rows)}
    for strategy, budget, load in _seconds(bench, job, base, kept):
        second = load()
        fids: dict[float, float | None] = {}
        for w in settings.guidances:
            guided = COMBINE[strategy](base, second, w)
            fids[w] = measure(f"{strategy}-{budget}-{w:g}", SELECT, guided) if w else at_zero[SELECT]
            rows.append(_row(strategy, budget, w, SELECT, settings.protocol) | {"fid": fids[w]})
        best = min(fids, key=lambda w: math.inf if (found := fids[w]) is None else found)
        guided = COMBINE[strategy](base, second, best)
        fid = measure(f"{strategy}-{budget}-{best:g}", REPORT, guided) if best else at_zero[REPORT]
        rows.append(_row(strategy, budget, best, REPORT, settings.protocol) | {"fid": fid})
    kept.done()
    return [row | _costs(params, row) for row in rows]


SELECT, REPORT = PHASES = "select", "report"


def _measure(job: Job, protocol: Protocol, kept: Kept) -> Callable[[str, str, Denoise], float | None]:
    """(what, phase, denoiser) -> the FID of as many samples as the protocol says; None where the trajectories diverge."""

    def measure(what: str, phase: str, denoise: Denoise) -> float | None:
        n = protocol.select if phase == SELECT else protocol.report
        stream = CHOOSING if phase == SELECT else REPORTING
        return kept.measured(f"{phase}-{n}-{what}", lambda: guided_fid(job, denoise, stream, n))

    return measure


def _seconds(bench: Bench, job: Job, base: Denoiser, kept: Kept) -> list[tuple[str, int, Callable[[], Denoiser]]]:
    """The second models: strategy, budget in steps, and what reads it; the budgets of SIMS and Neon are of one fine-tuning."""
    settings, found = bench.settings, list[tuple[str, int, Callable[[], Denoiser]]]()
    tuned = [strategy for strategy in settings.strategies if STRATEGIES[strategy].auxiliary]
    if tuned:
        budgets = sorted(settings.budgets)

        def tune() -> tuple[list[Any], list[float]]:
            n = bench.params.auxiliary.n
            made = fine_tuned(job, base, draw(job, base, "auxiliary", n)[:n], budgets)
            return [made.kept[each] for each in budgets], [made.seconds[each] for each in budgets]

        states = dict(zip(budgets, kept.weights([f"auxiliary-{each}-of-{budgets[-1]}" for each in budgets], tune)))
        found += [
            (each, budget, lambda budget=budget: auxiliary_of(job, states[budget]))  # type: ignore[misc]
            for each in tuned
            for budget in budgets
        ]
    if "autoguidance" in settings.strategies:
        found.append(_guide(bench, job, kept))
    return found


def _guide(bench: Bench, job: Job, kept: Kept) -> tuple[str, int, Callable[[], Denoiser]]:
    """Autoguidance's guide: that of the preset's arm, trained as a generation's is."""
    arm = _guided(bench.params)
    assert arm is not None
    mine = Job(bench.params, Chain(arm, bench.seed), 1, job.work)
    guide = mine.arm.guide
    assert guide is not None

    def train() -> tuple[list[Any], list[float]]:
        began = time.perf_counter()
        steps.train_guide(mine)
        return [load_model(mine, AUXILIARY, mine.second_params).state_dict()], [time.perf_counter() - began]

    budget = guide.steps or 0
    (state,) = kept.weights([f"guide-{budget}"], train)
    return "autoguidance", budget, lambda: auxiliary_of(mine, state, mine.second_params)


def _guided(params: Params) -> str | None:
    """The preset's arm with autoguidance."""
    return next((name for name, arm in params.arms.items() if arm.strategy == "autoguidance"), None)


def _row(strategy: str, budget: int, w: float, phase: str, protocol: Protocol) -> Row:
    n = protocol.select if phase == SELECT else protocol.report
    return {"strategy": strategy, "budget": budget, "w": w, "phase": phase, "n": n}


def _costs(params: Params, row: Row) -> Row:
    """Evaluations a sample, and the images that training saw beyond a base model that is given."""
    strategy = STRATEGIES["standard" if row["strategy"] == "base" else row["strategy"]]
    batch = params.train.batch if strategy.guide else params.auxiliary.batch
    trained = 0 if params.base else params.train.steps * params.train.batch
    return {
        "nfe": params.sampler.evaluations * (strategy.networks if row["w"] else 1),
        "images_seen": trained + row["budget"] * batch,
        "n_auxiliary": params.auxiliary.n if strategy.auxiliary else 0,
    }

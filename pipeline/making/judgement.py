"""Judging what was made: the stage `judged` of a generation, and that of the real data, which gives the floor."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipeline.data.arrays import read_samples
from pipeline.experiment import machine
from pipeline.experiment.chains import Chain
from pipeline.experiment.extensions import said_of
from pipeline.experiment.kinds import STRATEGIES
from pipeline.experiment.params import Params
from pipeline.judging.evaluation import Judge
from pipeline.judging.pictures import sample_picture
from pipeline.making.launching import JUDGE, launch
from pipeline.storage.clock import timed
from pipeline.storage.files import Recording, read_json, write_bytes, write_json
from pipeline.storage.layout import DRAWN, MADE, METRICS, PICTURE, SYNTHETIC, Layout
from pipeline.storage.ownership import owned
from pipeline.storage.within import at_work

Found = tuple[dict[str, Any], bytes]
"""A generation's metrics, and its picture as PNG."""


def judge_real(params: Params, recording: Recording | None = None) -> None:
    """The real data: every metric's floor."""
    layout = Layout(params.experiment)
    with timed(layout.runs, "floor"), said_of("real data, judged"), at_work(layout.facts, "floor"):
        floors = _judge(params).floors()
    with recording or nullcontext():
        write_json(layout.facts, floors)


def judge_generation(
    params: Params, chain: Chain, generation: int, recording: Recording | None = None, folder: Path | None = None
) -> None:
    """A generation's metrics and picture, from its samples, beside them; `folder` is where they lie before it is done."""
    layout = Layout(params.experiment)
    folder, where = folder or layout.generation(chain, generation), f"{chain} generation {generation}, judged"
    with (
        timed(layout.chain(chain), JUDGE, generation=generation),
        said_of(where),
        at_work(folder, JUDGE, generation),
    ):
        found = judged(params, chain, generation, folder, where)
    with recording or nullcontext():
        write_judged(folder, *found)


def make_judged(params: Params, chain: Chain, generation: int) -> None:
    """The same in this process, which owns the chain meanwhile."""
    with owned(Layout(params.experiment).chain(chain)):
        judge_generation(params, chain, generation)


def judged(params: Params, chain: Chain, generation: int, folder: Path, where: str) -> Found:
    """Metrics and picture of the generation in a folder, by as many processes as the chain has; points need only this one."""
    if params.engine.processes == 1 or params.data.has_truth:
        return judged_here(params, chain, folder)
    found = list[Found]()

    def take(beside: Path) -> None:
        found.append((read_json(beside / METRICS), (beside / PICTURE).read_bytes()))

    launch(params, JUDGE, chain.arm, chain.seed, generation, folder, where, take)
    return found[0]


def judged_here(params: Params, chain: Chain, folder: Path, threads: int | None = None) -> Found:
    """The same in this process; with a second model, `fid_base` is of the base's own samples."""
    judge, n = _judge(params, threads), params.evaluation.n
    output = read_samples(folder / SYNTHETIC)[:n]
    metrics = judge.metrics(output.values, output.labels)
    second = STRATEGIES[params.arms[chain.arm].strategy].second
    metrics["fid_base"] = judge.fid(read_samples(folder / DRAWN)[:n].values) if second else metrics.get("fid")
    return metrics | read_json(folder / MADE), sample_picture(params, output)


def write_judged(folder: Path, metrics: dict[str, Any], picture: bytes) -> None:
    """Write them into a folder."""
    write_bytes(folder / PICTURE, picture)
    write_json(folder / METRICS, metrics)


def _judge(params: Params, threads: int | None = None) -> Judge:
    judge = Judge(params, Layout(params.experiment).extractor)
    machine.fix(params, threads)  # by now all libraries that compute are there
    return judge

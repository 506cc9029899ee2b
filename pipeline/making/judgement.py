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
from pipeline.storage.clock import timed
from pipeline.storage.files import Recording, read_json, write_bytes, write_json
from pipeline.storage.layout import DRAWN, MADE, METRICS, PICTURE, SYNTHETIC, Layout
from pipeline.storage.ownership import owned
from pipeline.storage.within import at_work

JUDGE = "judge"
"""What the judging of a generation is called where its steps are."""


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
        metrics, picture = judged(params, chain, folder)
    with recording or nullcontext():
        write_bytes(folder / PICTURE, picture)
        write_json(folder / METRICS, metrics)


def make_judged(params: Params, chain: Chain, generation: int) -> None:
    """The same in this process, which owns the chain meanwhile."""
    with owned(Layout(params.experiment).chain(chain)):
        judge_generation(params, chain, generation)


def judged(params: Params, chain: Chain, folder: Path) -> tuple[dict[str, Any], bytes]:
    """Metrics and picture of the generation in a folder; with a second model, `fid_base` is of the base's own samples."""
    judge, n = _judge(params), params.evaluation.n
    output = read_samples(folder / SYNTHETIC)[:n]
    metrics = judge.metrics(output.values, output.labels)
    metrics["fid_base"] = metrics["fid"]
    if STRATEGIES[params.arms[chain.arm].strategy].second:
        metrics["fid_base"] = judge.fid(read_samples(folder / DRAWN)[:n].values)
    return metrics | read_json(folder / MADE), sample_picture(params, output)


def _judge(params: Params) -> Judge:
    judge = Judge(params, Layout(params.experiment).extractor)
    machine.fix(params)  # by now all libraries that compute are there
    return judge

"""Study `prophylaxis`: whole chains, arm beside arm, seed beside seed: who goes MAD, and who does not."""

from typing import Any

from pipeline.analysis.theory import predicted
from pipeline.experiment.chains import Chain, check_arm
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Name, Section
from pipeline.generation import steps
from pipeline.making.transactions import make_whole
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, Layout
from pipeline.studies.bench.study import Bench, Row


class Settings(Section):
    """`settings` of the study's file: the arm that all are measured by."""

    control: Name


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError where an arm is not there, or the control is none of the arms."""
    for arm in axes["arm"]:
        if arm not in params.arms:
            raise ValueError(f"axes.arm: {arm!r} is not allowed: the preset with the changes has {', '.join(params.arms)}")
    if settings.control not in axes["arm"]:
        raise ValueError(f"settings.control: {settings.control!r} is not allowed: axes.arm has {', '.join(axes['arm'])}")


def point(bench: Bench) -> list[Row]:
    """Every generation's metrics of one chain, and what theory predicts its FID to be, where it does."""
    params, chain = bench.params, Chain(str(bench.at["arm"]), bench.seed)
    check_arm(params, chain.arm)
    layout = Layout(params.experiment)
    base = layout.base(chain.seed)
    base.mkdir(parents=True)
    steps.train_base(params, chain.seed, base)
    rows, theory = list[Row](), predicted(params, chain.arm)
    for generation in range(1, params.length(chain.arm) + 1):
        make_whole(params, chain, generation)
        row = read_json(layout.generation(chain, generation) / METRICS)
        rows.append(row if theory is None else row | {"predicted": float(theory[generation - 1])})
    return rows

"""An experiment's results as a table: one row a generation, read from the files."""

import json
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.rows import flat, numbers
from pipeline.experiment.arms import Arm
from pipeline.experiment.chains import Chain, lengths
from pipeline.experiment.kinds import LOOPS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import Section
from pipeline.judging.evaluation import COMPARED
from pipeline.records.ledger import finished
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, Layout

log = logging.getLogger("self-consuming")
LEADING = ["arm", "seed", "generation", "fid", "fid_base"]
COUNTS = {name: "n_prdc" for name in ("precision", "recall", "density", "coverage")}
COUNTS |= {"kid": "n_kid", "nearest_training_distance": "n_nearest"}
"""The column that says how many samples a metric is of, where that is not n_samples; KID is over subsets of so many."""
ALWAYS = "loop", "strategy", "guidance", "n_synthetic"
"""The columns of an arm's settings that are there in any case; the others are where the arms differ."""
SETTINGS = tuple(key for key in Arm.model_fields if key != "seeds")
"""The keys of an arm that may be columns."""
TAIL = 20
"""The end of a chain: its last 20 generations, or the last quarter of a shorter one."""


def collect(params: Params, longer: dict[Chain, int] | None = None) -> pd.DataFrame:
    """The finished generations of every chain, as many as params.yaml says or as `longer` asks for.

    Columns arm, seed, generation, fid, fid_base, the arm's loop, strategy, guidance (the one that was chosen, where it is) and
    n_synthetic (what the generation hands on), every other key in which arms of params.yaml differ, and whatever else the
    metrics hold. What was judged by another extractor, or against another reference, than the real data is left out with a
    warning: such values are not comparable.
    """
    shown = settings(params)
    rows = [
        {"arm": chain.arm, "seed": chain.seed}
        | shown[chain.arm]
        | {"n_synthetic": params.handed_on(chain.arm, number)}
        | flat(read_json(folder / METRICS))
        for chain, length in lengths(params, longer).items()
        for number, folder in enumerate(finished(params, chain, length), start=1)
    ]
    leading = LEADING + list(dict.fromkeys(key for keys in shown.values() for key in keys))
    frame = pd.DataFrame(rows)
    if frame.empty:
        return pd.DataFrame(columns=leading)
    return _comparable(params, frame)[leading + sorted(set(frame.columns) - set(leading))]


def settings(params: Params) -> dict[str, dict[str, Any]]:
    """Every arm's settings, as columns have them: those that are always shown, and those in which the arms differ.

    What an arm does not give is as everywhere in params.yaml; what its loop or strategy has not is None. A guidance is a number
    (None for auto, which chooses one in each generation), and what is a section or a list is JSON.
    """
    given = {name: {key: _setting(params, name, key) for key in SETTINGS} for name in params.arms}
    differing = [key for key in SETTINGS if len({arm[key] for arm in given.values()}) > 1]
    keys = [*ALWAYS, *(key for key in differing if key not in ALWAYS)]
    return {name: {key: arm[key] for key in keys} for name, arm in given.items()}


def _setting(params: Params, name: str, key: str) -> Any:
    arm = params.arms[name]
    value = getattr(arm, key)
    if value is None:
        everywhere = {
            "zeta": params.raw.get("sampler", {}).get("zeta"),
            "init": "scratch",
            "memory": LOOPS[arm.loop].memory,
            "n_synthetic": params.n_synthetic,
            "generations": params.generations,
        }
        value = everywhere.get(key)
    if key == "guidance" and value is not None:
        return None if value == "auto" else float(value)
    if isinstance(value, Section):
        value = value.model_dump(mode="json", exclude_none=True)
    return json.dumps(value) if isinstance(value, dict | list) else value


def _comparable(params: Params, frame: pd.DataFrame) -> pd.DataFrame:
    facts = Layout(params.experiment).facts
    floor = read_json(facts) if facts.exists() else {}
    alike = pd.Series(True, index=frame.index)
    for key in (*COMPARED, "n_reference"):  # n_samples is evaluation.n, which `finished` has compared
        if key in floor and key in frame:
            alike &= frame[key] == floor[key]
    if not alike.all():
        said = ", ".join(f"{key} {floor.get(key)}" for key in COMPARED)
        log.warning("%d generations are left out: they were not judged by %s; the run judges them anew", (~alike).sum(), said)
    return frame[alike]


def first_chains(results: pd.DataFrame) -> dict[Chain, int]:
    """Each arm's first chain and its last finished generation: what pictures are of."""
    first = results.groupby("arm", sort=False)["seed"].first().to_dict()
    of_first = results[results["seed"] == results["arm"].map(first)]
    last = of_first.groupby("arm")["generation"].max().to_dict()
    return {Chain(str(arm), int(seed)): int(last[arm]) for arm, seed in first.items()}


def tail(fid: NDArray[np.float64]) -> NDArray[np.float64]:
    """The end of a chain's curve."""
    return fid[-min(TAIL, max(1, len(fid) // 4)) :]


def control_arm(params: Params) -> str | None:
    """The first arm that trains on real data alone: the yardstick of the others."""
    return next((name for name, arm in params.arms.items() if arm.loop == "real"), None)


def plain_arm(params: Params) -> str:
    """The first arm without a remedy that is no control, whose generation 1 others are held against; else the first arm."""
    plain = (name for name, arm in params.arms.items() if arm.strategy == "standard" and arm.loop != "real")
    return next(plain, next(iter(params.arms)))


@dataclass(frozen=True)
class Yardsticks:
    """What curves are held against: the floor of real samples, generation 1 of the plain arm, the control's mean and spread."""

    floor: float
    floor_n: int
    first_arm: str
    first: float | None
    control: float | None
    control_std: float | None
    floors: dict[str, float]
    """Of the other metrics, by their names, and their counts."""

    def counted(self, metric: str) -> int:
        """How many real samples the floor of a metric is of."""
        return int(self.floors.get(COUNTS.get(metric, ""), self.floor_n))


def yardsticks(params: Params, results: pd.DataFrame) -> Yardsticks:
    """The reference values of the experiment, over all its seeds."""
    facts = read_json(Layout(params.experiment).facts)
    control = results[results["arm"] == control_arm(params)]["fid"]
    arm = plain_arm(params)
    first = results[(results["arm"] == arm) & (results["generation"] == 1)]["fid"]
    return Yardsticks(
        floor=float(facts["floor"]),
        floor_n=int(facts["floor_n"]),
        first_arm=arm,
        first=float(first.mean()) if len(first) else None,
        control=float(control.mean()) if len(control) else None,
        control_std=float(control.std(ddof=1)) if len(control) > 1 else None,
        floors=numbers(facts.get("floors", {})) | {"fid_base": float(facts["floor"])},
    )


def verdicts(params: Params, results: pd.DataFrame) -> pd.DataFrame:
    """A row a chain: FID at generation 1, mean of generations 2 on, their 90th percentile, mean of the chain's end.

    With a control, the columns in_control_* divide by the mean FID of the control with the same seed.
    """
    control, rows = control_arm(params), []
    for (arm, seed), chain in results.groupby(["arm", "seed"], sort=False):
        fid = chain.sort_values("generation")["fid"]
        later = fid.iloc[1:]
        end = tail(fid.to_numpy())
        row = {"arm": arm, "seed": seed, "generations": len(fid), "first": fid.iloc[0], "later_mean": later.mean()}
        row |= {"later_p90": later.quantile(0.9), "end_mean": end.mean(), "end_over": len(end)}
        unit = results[(results["arm"] == control) & (results["seed"] == seed)]["fid"].mean()
        if control is not None and pd.notna(unit):
            row |= {f"in_control_{key}": row[key] / unit for key in ("later_mean", "later_p90", "end_mean")}
        rows.append(row)
    return pd.DataFrame(rows)

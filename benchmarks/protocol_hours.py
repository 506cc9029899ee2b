"""GPU hours of a study by the protocol, estimated: floating-point operations of its networks over a measured rate.

    python benchmarks/protocol_hours.py cifar10 ffhq64 imagenet64 [--teraflops 74]

The rate is that of the small CIFAR-10 U-Net in training on an H200 (bf16, eager): 3,160 images a second at 23.4 GFLOP each
(three times the forward pass). Larger networks come nearer to what the card can do, sampling leaves out the backward pass, and
Inception, data and compilation come on top: nothing here has been run.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.experiment.kinds import NETWORKS
from pipeline.experiment.params import Params, load
from pipeline.generation.start import guide_params
from pipeline.studies.bench.study import load_study
from pipeline.studies.kind import kind_of

SHAPES = {"cifar10": ((3, 32, 32), 0), "ffhq64": ((3, 64, 64), 0), "imagenet64": ((3, 64, 64), 1000)}
INCEPTION = 3300
"""Images a second on an H200, measured (eager, float32)."""


def forward(params: Params, shape: tuple[int, ...], classes: int) -> float:
    """Operations of an evaluation for one sample: two for each multiplication."""
    network = NETWORKS[params.kind("network")](shape, params.network, *((classes,) if classes else ()))
    told = {"class_labels": torch.zeros(1, classes)} if classes else {}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.randn(1, *shape), torch.zeros(1), **told)
    return float(counter.get_total_flops())


def hours(name: str, flops: float) -> dict[str, float]:
    """Each step of the study of a preset, in hours."""
    study = load_study(f"protocol-{name}")
    params, settings = load(Path(f"presets/{name}.yaml"), Path()), kind_of(study)[1]
    base = forward(params, *SHAPES[name])
    guide = forward(guide_params(params, "autoguidance"), *SHAPES[name])
    nfe, places = params.sampler.evaluations, len([w for w in settings.guidances if w])
    protocol, count = settings.protocol, len(settings.budgets)
    steps = params.arms["autoguidance"].guide.steps if params.arms["autoguidance"].guide else None
    drawn = {"choosing w": places * protocol.select, "reporting": protocol.report}
    found: dict[str, Any] = {
        "base, both numbers of samples": (protocol.select + protocol.report) * nfe * base,
        "S": params.auxiliary.n * nfe * base,
        "fine-tuning": 3 * max(settings.budgets) * params.auxiliary.batch * base,
        "guide's training": 3 * (steps or 0) * params.train.batch * guide,
    }
    for strategy, each, times in (("SIMS", 2 * base, count), ("Neon", base, count), ("autoguidance", base + guide, 1)):
        found |= {f"{strategy}, {what}": times * n * nfe * each for what, n in drawn.items()}
    spent = {what: number / flops / 3600 for what, number in found.items()}
    judged = (2 * count + 1) * sum(drawn.values()) + protocol.select + protocol.report
    spent["Inception"] = judged / INCEPTION / 3600
    return spent | {"all": sum(spent.values())}


def main() -> None:
    """Print a Markdown table, a step a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=sorted(SHAPES))
    parser.add_argument("--teraflops", type=float, default=74.0)
    given = parser.parse_args()
    columns = {name: hours(name, given.teraflops * 1e12) for name in given.names}
    print(f"| step, estimated hours | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for step in columns[given.names[0]]:
        print(f"| {step} | {' | '.join(f'{column[step]:.2g}' for column in columns.values())} |")


if __name__ == "__main__":
    main()

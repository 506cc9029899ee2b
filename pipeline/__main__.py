"""The commands of the DVC stages: `python -m pipeline data | base | plan | generation | report`, run in the project's root."""

import argparse
import os
import sys
from pathlib import Path

from pipeline.errors import BadInput, RunFailed
from pipeline.layout import PARAMS, Chain
from pipeline.params import Params, load


def main(arguments: list[str] | None = None) -> int:
    """Run one stage's command; the exit code is 0, 1 (failed) or 2 (bad input)."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)
    for name in ("data", "plan", "report"):
        stages.add_parser(name)
    stages.add_parser("base").add_argument("--seed", type=int, required=True)
    generation = stages.add_parser("generation")
    generation.add_argument("--experiment", required=True)
    generation.add_argument("--arm", required=True)
    generation.add_argument("--seed", type=int, required=True)
    generation.add_argument("--generation", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        params = load(Path(PARAMS))
        for library in ("OMP", "MKL", "OPENBLAS"):
            os.environ[f"{library}_NUM_THREADS"] = str(params.engine.threads)
        _run(given, params)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunFailed as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


def _run(given: argparse.Namespace, params: Params) -> None:
    """Each stage imports what it needs, after the thread counts are set."""
    if given.stage == "plan":
        from pipeline import versioning

        versioning.plan_stage(params)
    elif given.stage == "report":
        from pipeline import report

        report.build(params)
    else:
        from pipeline import generation

        if given.stage == "data":
            generation.make_data(params)
        elif given.stage == "base":
            generation.make_base(params, given.seed)
        else:
            if given.experiment != params.experiment:
                raise BadInput(
                    f"experiment: {params.experiment!r} is not allowed here: this generation belongs to {given.experiment!r}"
                    f" (self-consuming preset {given.experiment})"
                )
            generation.make_generation(params, Chain(given.arm, given.seed), given.generation)


if __name__ == "__main__":
    sys.exit(main())

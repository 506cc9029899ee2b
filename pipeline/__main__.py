"""The commands of the DVC stages: `python -m pipeline data | base | plan | generation | report`, run in the project's root."""

import argparse
import sys
from pathlib import Path

from pipeline.chains import Chain, check_seed
from pipeline.errors import BadInput, exit_code
from pipeline.layout import PARAMS
from pipeline.params import load


def main(arguments: list[str] | None = None) -> int:
    """Run one stage's command and return its exit code."""
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
    return exit_code(lambda: _run(given))


def _run(given: argparse.Namespace) -> None:
    """Each stage imports what it needs, since it starts a process of its own."""
    params = load(Path(PARAMS))
    if given.stage == "plan":
        from pipeline.recipes import plan_stage

        plan_stage(params)
    elif given.stage == "report":
        from pipeline import report

        report.build(params)
    elif given.stage == "data":
        from pipeline.generation import make_data

        make_data(params)
    elif given.stage == "base":
        from pipeline.generation import make_base

        check_seed(params, given.seed)
        make_base(params, given.seed)
    else:
        from pipeline.generation import make_generation
        from pipeline.recipes import check_recipe

        if given.experiment != params.experiment:
            raise BadInput(
                f"experiment: {params.experiment!r} is not allowed here: this generation belongs to {given.experiment!r}"
                f" (self-consuming preset {given.experiment})"
            )
        chain = Chain(given.arm, given.seed)
        check_recipe(params, chain, given.generation)
        make_generation(params, chain, given.generation)


if __name__ == "__main__":
    sys.exit(main())

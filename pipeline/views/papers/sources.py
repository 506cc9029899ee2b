"""The sources of what an experiment uses: its loops, strategies, hooks, sampler, network and distance."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.experiment.arms import Arm
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of

ENTRIES = Path(__file__).with_name("sources.bib")
MAD, SIMS = "alemohammad2024mad", "alemohammad2024sims"
BERTRAND = "bertrand2024stability"
EVERY = {"karras2022edm": "the diffusion models", "heusel2017fid": "FID"}
"""What every experiment has."""
OF_LOOPS = {
    "augmentation": [MAD],
    "synthetic": [MAD],
    "fresh": [MAD],
    "accumulate": ["gerstgrasser2024accumulate"],
    "accumulate-subsample": ["kazdan2024collapse"],
    "constant-share": [],
    "real": [],
}
OF_STRATEGIES = {"standard": [], "sims": [SIMS], "neon": ["alemohammad2025neon"], "autoguidance": ["karras2024autoguidance"]}
OF_HOOKS = {"keep-typical": [], "towards-real": ["gillman2024correcting"]}
OF_KINDS = {"dpm++2m": "lu2022dpmpp", "song-unet": "song2021sde", "dhariwal-unet": "dhariwal2021beat"}
"""Of samplers and networks."""


def sources(params: Params) -> dict[str, list[str]]:
    """The keys of sources.bib that the experiment's parts come from, and which parts those are."""
    found = {key: [part] for key, part in EVERY.items()}
    for key, part in [*_of_arms(params), *_of_the_rest(params)]:
        if part not in found.setdefault(key, []):
            found[key].append(part)
    return found


def without_source(params: Params) -> list[str]:
    """The loops, strategies and hooks of arms that nothing is known of here, such as the user's own."""
    named = []
    for arm in params.arms.values():
        parts = {"loop": (arm.loop, OF_LOOPS), "strategy": (arm.strategy, OF_STRATEGIES)}
        if arm.hook is not None:
            parts["hook"] = arm.hook.name, OF_HOOKS
        named += [f"{kind} {name}" for kind, (name, known) in parts.items() if name not in known]
    return list(dict.fromkeys(named))


def bibliography(params: Params) -> str:
    """BibTeX of `sources`, each with a comment that says what it is the source of; parts without one are named at the end."""
    known = entries()
    texts = [f"% {', '.join(parts)}\n{known[key]}\n" for key, parts in sources(params).items()]
    missing = [f"% no source is known of: {part}\n" for part in without_source(params)]
    return "\n".join([*texts, "".join(missing)]) if missing else "\n".join(texts)


def entries() -> dict[str, str]:
    """Every entry of sources.bib, by its key."""
    texts = [f"@{text.strip()}" for text in ENTRIES.read_text(encoding="utf-8").split("@")[1:]]
    return {text.partition("{")[2].partition(",")[0]: text for text in texts}


def _of_arms(params: Params) -> Iterator[tuple[str, str]]:
    for arm in params.arms.values():
        yield from ((key, f"loop {arm.loop}") for key in OF_LOOPS.get(arm.loop, []))
        yield from ((key, f"strategy {arm.strategy}") for key in OF_STRATEGIES.get(arm.strategy, []))
        if arm.hook is not None:
            yield from ((key, f"hook {arm.hook.name}") for key in OF_HOOKS.get(arm.hook.name, []))
        if arm.init == "previous":
            yield BERTRAND, "init previous"
        if _times_real(arm, params):
            yield BERTRAND, "n_synthetic times_real"


def _of_the_rest(params: Params) -> Iterator[tuple[str, str]]:
    for part, settings in (("sampler", params.sampler), ("network", params.network)):
        if key := OF_KINDS.get(kind_of(settings)):
            yield key, f"{part} {kind_of(settings)}"
    if params.evaluation.fid_infinity:
        yield "chong2020infinity", "fid_infinity"
    if getattr(params.evaluation.extractor, "mode", None) == "clean":
        yield "parmar2022clean", "extractor inception, mode clean"


def _times_real(arm: Arm, params: Params) -> bool:
    number = params.n_synthetic if arm.n_synthetic is None else arm.n_synthetic
    return getattr(number, "times_real", None) is not None

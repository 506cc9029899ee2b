"""What `keep` lets go of a chain's finished generations, and what has to be made again before something can be made."""

from collections.abc import Collection
from pathlib import Path

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import GOES_ON, RunFailed
from pipeline.experiment.params import Params
from pipeline.recipes import let_go as marks
from pipeline.recipes.rendering import take_back
from pipeline.recipes.stages import generation_stage, judged_stage
from pipeline.records.ledger import digests, in_use
from pipeline.records.repository import Versions
from pipeline.storage.files import write_text
from pipeline.storage.layout import RECIPE, Layout

NETWORK, SAMPLES = ".safetensors", ".npy"


def due(params: Params, chain: Chain, done: int, spared: Collection[Path] = ()) -> list[Path]:
    """The files on the disk that are to be let go of a chain's first `done` generations, which are finished.

    What the next generation reads stays, and so does what is in the folders that are `spared`.
    """
    if params.keep is None or done < 1:
        return []
    layout, found = Layout(params.experiment), list[Path]()
    needed = inputs(params, chain, done + 1)
    for number in range(1, done + 1):
        folder = layout.generation(chain, number)
        kept = {NETWORK: params.keep.keeps_networks(number, done), SAMPLES: params.keep.keeps_samples(number)}
        if all(kept.values()) or folder in spared:
            continue
        there = [path for path in sorted(folder.iterdir()) if not kept.get(path.suffix, True)]
        recorded = digests(folder) if there else {}
        found += [path for path in there if path not in needed and path.name in recorded]
    return found


def let_go(versions: Versions, params: Params, chain: Chain, done: int, spared: Collection[Path] = ()) -> None:
    """Remove what is due. First the recipes say so, then contents and files go: what a kill leaves is due again."""
    if not (going := due(params, chain, done, spared)):
        return
    layout = Layout(params.experiment)
    with versions.held():
        gone = marks.of_chain(layout.chain(chain)).union(going)
        for recipe in sorted(layout.chain(chain).glob(f"g*/{RECIPE}")):
            former = recipe.read_text(encoding="utf-8")
            if (text := marks.without(former, recipe.parent, gone)) != former:
                write_text(recipe, text)
        for path in going:
            md5 = digests(path.parent)[path.name]
            if not in_use(md5):
                versions.drop(md5)
            path.unlink()


def inputs(params: Params, chain: Chain, number: int) -> set[Path]:
    """The files of earlier generations that one is made from, as its stage says."""
    return _of_chain(params, chain, generation_stage(params, chain, number), number, own=False)


def again(params: Params, chain: Chain, folders: list[Path], current: Collection[Path], judged: Collection[Path]) -> set[Path]:
    """The generations that must be made again, since of them something was let go that is needed for what is not current."""
    gone, found = marks.of_chain(Layout(params.experiment).chain(chain)), set[Path]()
    for number, folder in reversed(list(enumerate(folders, start=1))) if gone else ():
        own = {path for path in gone if path.parent == folder}
        text = judged_stage(params, chain, number)
        if folder not in judged and own & _of_chain(params, chain, text, number, own=True):
            found.add(folder)
        if folder not in current and own:
            found.add(folder)
        if folder not in current or folder in found:
            found |= {path.parent for path in gone & inputs(params, chain, number)}
    return found


def prepare_again(
    versions: Versions, params: Params, chain: Chain, folders: list[Path], wanted: Collection[Path] = ()
) -> tuple[set[Path], set[Path]]:
    """The generations that are current, and those that are judged, once all that has to be made again counts as missing."""
    current, judged = versions.states(folders)
    if missing := again(params, chain, folders, current - set(wanted), judged - set(wanted)):
        with versions.held():
            take_back(params, chain, missing)
        current, judged = versions.states(folders)
    return current, judged


def recheck(
    versions: Versions, params: Params, chain: Chain, number: int, current: Collection[Path], judged: Collection[Path]
) -> tuple[set[Path], set[Path]]:
    """Both sets once earlier generations have been made: a generation is current again where they are what they were.

    Where they are not, it is to be made anew, whole. Raises RunFailed where something that this takes was let go.
    """
    folder = Layout(params.experiment).generation(chain, number)
    gone = marks.let_go(folder / RECIPE)
    if folder not in current and not gone:
        return set(current), set(judged)
    made, fine = versions.states([folder])
    if gone and (folder not in made or folder not in fine):
        if any(not path.exists() for path in inputs(params, chain, number)):
            raise RunFailed(f"{folder}: what it is made from was let go; {GOES_ON}")
        with versions.held():
            take_back(params, chain, {folder})
        made, fine = set(), set()
    return set(current) - {folder} | made, set(judged) - {folder} | fine


def _of_chain(params: Params, chain: Chain, stage: str, number: int, own: bool) -> set[Path]:
    """The files of a chain that a stage's text names: those of the generation itself, or those of others."""
    layout = Layout(params.experiment)
    folder, start = layout.generation(chain, number), f"    - {layout.chain(chain)}/g"
    named = {Path(line.removeprefix("    - ")) for line in stage.splitlines() if line.startswith(start)}
    return {path for path in named if (path.parent == folder) == own}

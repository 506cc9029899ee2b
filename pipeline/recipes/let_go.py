"""Outputs that were let go: their recipe says so in its first lines, and no recipe names them any more.

So they are nothing that DVC misses, while the locks go on saying what they were.
"""

from collections.abc import Collection
from pathlib import Path

from pipeline.storage.files import write_text
from pipeline.storage.layout import RECIPE

MARK = "# let go (self-consuming restore makes them again): "


def let_go(recipe: Path) -> frozenset[Path]:
    """The outputs that a recipe says were let go; none where there is no recipe."""
    try:
        return said_in(recipe.read_text(encoding="utf-8"), recipe.parent)
    except FileNotFoundError:
        return frozenset()


def said_in(text: str, folder: Path) -> frozenset[Path]:
    """The same of the text of a recipe in a folder."""
    first = text.partition("\n")[0]
    return frozenset(folder / name for name in first.removeprefix(MARK).split()) if first.startswith(MARK) else frozenset()


def without(text: str, folder: Path, gone: Collection[Path]) -> str:
    """The text of a folder's recipe with those of the `gone` that are its own marked so, and all of them named no more."""
    own = sorted(path.name for path in gone if path.parent == folder)
    if not gone:
        return text
    names = {f"    - {path}" for path in gone}
    kept = "\n".join(line for line in text.split("\n") if line not in names and not line.startswith(MARK))
    return f"{MARK}{' '.join(own)}\n{kept}" if own else kept


def of_chain(folder: Path) -> frozenset[Path]:
    """Everything that was let go of the chain in a folder."""
    return frozenset(path for recipe in folder.glob(f"g*/{RECIPE}") for path in let_go(recipe))


def forget(folder: Path) -> None:
    """Let the recipes of the chain in a folder say no more that anything was let go: to be rendered anew."""
    for recipe in folder.glob(f"g*/{RECIPE}"):
        text = recipe.read_text(encoding="utf-8")
        if text.startswith(MARK):
            write_text(recipe, text.partition("\n")[2])

"""The parts of the user's files that stages depend on, brought up to date."""

from pipeline.experiment.params import Params
from pipeline.recipes import stages
from pipeline.recipes.uses import parts_are_current, write_parts
from pipeline.records.repository import Versions
from pipeline.storage.layout import Layout


def renew_parts(versions: Versions, params: Params) -> None:
    """Record the parts of the user's files as they are today, so that what depends on others is not stale."""
    recipe = Layout(params.experiment).recipe
    recorded = recipe.exists() and f"\n  {stages.KINDS}:\n" in recipe.read_text(encoding="utf-8")
    target = f"{recipe}:{stages.KINDS}"
    if recorded and not (parts_are_current(params) and versions.stage_is_current(target)):
        write_parts(params, versions.recording(target))

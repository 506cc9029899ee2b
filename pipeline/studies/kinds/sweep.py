"""Study `sweep`: what it needs, its points, its page. Its axes are any keys of params.yaml."""

from pipeline.experiment.kinds import STUDIES
from pipeline.studies.kind import Kind
from pipeline.studies.pages.sweep import page
from pipeline.studies.points.sweep import point

STUDIES["sweep"] = Kind(
    None,
    point.Settings,
    point.point,
    page.summary,
    page.plot,
    point.check,
    page_settings=frozenset({"metric", "best", "selection_seeds"}),
)

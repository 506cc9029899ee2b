"""Study `mechanisms`: what it needs, its points, its page."""

from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.sections import Name, Seed
from pipeline.studies.kind import Kind
from pipeline.studies.pages.mechanisms import page
from pipeline.studies.points.mechanisms import point

AXES = {"seed": Seed, "noise": Name, "arm": Name}
STUDIES["mechanisms"] = Kind(AXES, point.Settings, point.point, page.summary, page.plot, point.check)

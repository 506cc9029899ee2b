"""Study `protocol`: what it needs, its points, its page."""

from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.sections import Seed
from pipeline.studies.kind import Kind
from pipeline.studies.pages.protocol import page
from pipeline.studies.points.protocol import point

STUDIES["protocol"] = Kind({"seed": Seed}, point.Settings, point.point, page.summary, page.plot, point.check)

"""Study `control`: what it needs, its points, its page."""

from typing import Annotated

from pydantic import Field

from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.sections import Seed
from pipeline.studies.kind import Kind
from pipeline.studies.pages.control import page
from pipeline.studies.points.control import point

Share = Annotated[float, Field(ge=0, le=100)]
Target = Annotated[float, Field(ge=0, le=1)]

STUDIES["control"] = Kind({"seed": Seed, "target": Target}, point.Settings, point.point, page.summary, page.plot, point.check)

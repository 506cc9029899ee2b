"""Study `improvement`: what it needs, its points, its page."""

from typing import Annotated

from pydantic import Field

from pipeline.experiment.kinds import STUDIES, Count
from pipeline.experiment.sections import Seed
from pipeline.studies.kind import Kind
from pipeline.studies.pages.improvement import page
from pipeline.studies.points.improvement import point

Share = Annotated[float, Field(ge=0, le=100)]
Target = Annotated[float, Field(ge=0, le=1)]

STUDIES["improvement"] = Kind({"seed": Seed, "n": Count}, point.Settings, point.point, page.summary, page.plot, point.check)

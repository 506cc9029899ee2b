"""Study `prophylaxis`: what it needs, its points, its page."""

from typing import Annotated

from pydantic import Field

from pipeline.experiment.kinds import STUDIES
from pipeline.experiment.sections import Name, Seed
from pipeline.studies.kind import Kind
from pipeline.studies.pages.prophylaxis import page
from pipeline.studies.points.prophylaxis import point

Share = Annotated[float, Field(ge=0, le=100)]
Target = Annotated[float, Field(ge=0, le=1)]

STUDIES["prophylaxis"] = Kind({"arm": Name, "seed": Seed}, point.Settings, point.point, page.summary, page.plot, point.check)

"""Study `pollution`: models of the second generation, trained on real data and |D_p| samples of a first model."""

from typing import Annotated

from pydantic import Field

from models.diffusion.guidance import sims
from pipeline.data.samples import joined
from pipeline.experiment.arms import Guidance
from pipeline.experiment.sections import Section
from pipeline.generation.job import draw, fit_model, fresh_model, load_model
from pipeline.judging.evaluation import fid
from pipeline.storage.layout import BASE
from pipeline.studies.bench.study import Bench, Row, guided_fid


class Settings(Section):
    """`settings` of the study's file: the guidances of SIMS, of which 0 is standard sampling."""

    guidances: Annotated[list[Guidance], Field(min_length=1)]


def point(bench: Bench) -> list[Row]:
    """FID of the unpolluted first model, of the second one, and of SIMS on the second one, at |D_p| = share x |D_r|."""
    params = bench.params
    first = bench.base()
    base, real = load_model(first, BASE), first.real
    n_polluting = round(float(bench.at["share"]) * len(real))
    unpolluted = draw(first, base, "synthetic", max(n_polluting, params.evaluation.n))
    second = bench.job(2)
    polluted = fit_model(second, fresh_model(second, "init"), joined([real, unpolluted[:n_polluting]]), params.train, "train")
    drawn = draw(second, polluted, "auxiliary", params.auxiliary.n)[: params.auxiliary.n]
    auxiliary = fit_model(second, polluted, drawn, params.auxiliary, "fine-tune")
    rows: list[Row] = []
    for w in bench.settings.guidances:
        reached = guided_fid(second, sims(polluted, auxiliary, float(w)))
        rows.append({"w": w, "n_polluting": n_polluting, "fid": reached})
    fid_unpolluted = fid(params, unpolluted[: params.evaluation.n].values)
    return [row | {"fid_unpolluted": fid_unpolluted} for row in rows]

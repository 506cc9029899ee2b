"""What `keep` let go of a generation, made again."""

from pathlib import Path

from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.making.keeping import let_go, prepare_again
from pipeline.making.transactions import make_whole
from pipeline.records.claims import claimed
from pipeline.records.ledger import digests, finished
from pipeline.records.repository import Versions
from pipeline.storage.layout import RECIPE, Layout

REPORT = "report"
"""The root's stage."""


def restore(params: Params, chain: Chain, number: int) -> list[Path]:
    """Make a finished generation whole again, with the earlier ones that this takes, which are let go again; gives them all.

    Raises BadInput for one that is not finished, and RunFailed where it does not become what it was.
    """
    layout, versions = Layout(params.experiment), Versions(params)
    with claimed(versions, layout, [chain]):
        done = finished(params, chain, MAX_GENERATIONS)
        if not 1 <= number <= len(done):
            raise BadInput(f"--generation: {number} of {chain} is not finished: {len(done)} are, of today's params.yaml")
        target, restored = done[number - 1], list[Path]()
        reported = versions.stage_is_current(REPORT)
        current, judged = prepare_again(versions, params, chain, done[:number], [target])
        for place, folder in enumerate(done[:number], start=1):
            if folder in current & judged:
                continue
            former = digests(folder)
            make_whole(params, chain, place)
            versions.commit(str(folder / RECIPE))
            if digests(folder) != former:
                raise RunFailed(f"{folder} has become other bytes than it had (code or machine are others): see status")
            restored.append(folder)
            let_go(versions, params, chain, place if folder != target else len(done), [target])
        if restored and reported:  # which depends on the folder, but says the same of it
            versions.commit(REPORT)
    return restored

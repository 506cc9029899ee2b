"""Why a chain's last run ended before its end: a note in the chain's folder, its reason first, then the params that it had."""

import json
from contextlib import suppress

from pipeline.experiment.chains import Chain, decisive, judging
from pipeline.experiment.params import Params
from pipeline.storage.files import write_text
from pipeline.storage.layout import Layout


def note_failure(params: Params, chain: Chain, reason: str) -> None:
    """Write down, for the report, why a chain ended; a full disk may be the very reason."""
    with suppress(OSError):
        write_text(Layout(params.experiment).failure(chain), f"{' '.join(reason.split())}\n{_values(params, chain)}\n")


def failure(params: Params, chain: Chain) -> str | None:
    """Why the chain's last run failed; None where it did not, or had other params than the chain has now.

    A note that names no params counts as one of today's.
    """
    try:
        text = Layout(params.experiment).failure(chain).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    reason, _, values = text.partition("\n")
    return reason if values.strip() in ("", _values(params, chain)) else None


def _values(params: Params, chain: Chain) -> str:
    return json.dumps(decisive(params, chain) | judging(params), sort_keys=True)

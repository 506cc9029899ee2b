"""A DVC remote for finished generations: pushed as they come, pulled where another machine goes on."""

import logging
import time

from pipeline.errors import BadInput, RunFailed
from pipeline.locks import absent
from pipeline.params import Params
from pipeline.versioning import Versions

log = logging.getLogger("self-consuming")
TRIES, PAUSE_SECONDS = 3, 2.0


class Remote:
    """The remote that params.yaml names, if any. A push that fails is warned of, and made up for at the end.

    Raises BadInput where DVC does not know the remote.
    """

    def __init__(self, versions: Versions, params: Params) -> None:
        self.versions, self.params, self.name = versions, params, params.remote
        self._left: set[str] = set()
        known = versions.remotes()
        if self.name is not None and self.name not in known:
            raise BadInput(
                f"remote: {self.name!r} is not allowed: DVC knows {', '.join(known) or 'none'} (dvc remote add NAME URL)"
            )

    def pull(self) -> None:
        """Bring the outputs that locks name and that are not here. What the remote does not have is made anew."""
        missing = absent(self.params.experiment) if self.name is not None else []
        if missing and self.name is not None:
            try:
                self.versions.pull(missing, self.name)
            except Exception as error:
                log.warning("not everything could be pulled from %s, the rest is made anew (%s)", self.name, error)

    def push(self, target: str) -> None:
        """Push the outputs of a stage or recipe."""
        if self.name is None:
            return
        try:
            self.versions.push([target], self.name)
        except Exception as error:
            log.warning("%s is not pushed to %s yet (%s)", target, self.name, error)
            self._left.add(target)

    def finish(self) -> None:
        """Push what is left; raises RunFailed when it still cannot be."""
        for attempt in range(TRIES):
            if not self._left:
                return
            time.sleep(PAUSE_SECONDS * attempt)
            left, self._left = self._left, set()
            for target in sorted(left):
                self.push(target)
        if self._left:
            raise RunFailed(f"{len(self._left)} stages could not be pushed to {self.name}: dvc push -r {self.name}")

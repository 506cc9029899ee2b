"""The door to DVC: is a generation current, and recording those that this process has made.

`dvc repro` runs the same recipes; after a flow's commits it has nothing left to do.
"""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.experiment.errors import RunFailed, in_a_line
from pipeline.experiment.extensions import changed
from pipeline.experiment.params import Params, load
from pipeline.recipes.stages import GENERATION, JUDGED
from pipeline.recipes.uses import parts_are_current
from pipeline.records.cache import files_of, md5_of, mend
from pipeline.records.ledger import drop_damaged_locks, outputs
from pipeline.records.replaced import replace
from pipeline.records.unchanged import unchanged
from pipeline.storage.layout import LOCK, PARAMS, RECIPE
from pipeline.storage.ownership import owned

if TYPE_CHECKING:
    from dvc.repo import Repo


TMP, TURN = ".dvc/tmp", "commit.pid"
"""Where the processes that commit wait for their turn."""


class Versions:
    """The project's DVC repository, opened once a thread. Waits for its lock when another chain holds it.

    Without `params` it does not watch params.yaml: studies have files of their own. With `shared` (and in a read-only
    checkout) it takes no lock: for reading, beside those that commit. Raises RunFailed with DVC's own words where DVC cannot do
    what it is asked.
    """

    def __init__(self, params: Params | None = None, shared: bool = False) -> None:
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        self._params, self._text = params, Path(PARAMS).read_bytes() if params else b""
        self._remote = params.remote if params else None
        self._holds = False
        self._links: sqlite3.Connection | None = None
        beside = shared or not os.access(".dvc", os.W_OK)
        self._elsewhere = tempfile.TemporaryDirectory(prefix="self-consuming-") if beside else None
        self._repo = self._open()

    def current(self, folders: Iterable[Path]) -> set[Path]:
        """Those of the generation folders whose outputs are there and fit recipe, code, params and inputs."""
        made, judged = self.states(folders)
        return made & judged

    def states(self, folders: Iterable[Path]) -> tuple[set[Path], set[Path]]:
        """The generation folders whose models and samples are current, and those that are judged by what they are judged by."""
        known = [folder for folder in folders if (folder / LOCK).exists() and (folder / RECIPE).exists()]
        if not known or (self._params and not parts_are_current(self._params)):
            return set(), set()
        for shared in {folder.parents[2] / RECIPE for folder in known}:  # what these are made from
            mend(self._repo.cache.local, outputs(str(shared)))
        recipes = [folder / RECIPE for folder in known]
        for recipe in recipes:
            mend(self._repo.cache.local, outputs(str(recipe)))
        plain = (
            unchanged(self._repo, recipes, self._params.raw) if self._params and self._text == Path(PARAMS).read_bytes() else ()
        )
        others = [str(recipe) for recipe in recipes if recipe not in plain]
        stale = self._status(others) if others else {}
        made = {folder for folder in known if f"{folder / RECIPE}:{GENERATION}" not in stale}
        return made, {folder for folder in known if f"{folder / RECIPE}:{JUDGED}" not in stale}

    def stage_is_current(self, stage: str) -> bool:
        """Whether a stage, RECIPE:STAGE or one of the root's, is current."""
        return not self._status([stage])

    def stale(self, recipe: str) -> set[str]:
        """The stages of a recipe that are not current, as RECIPE:STAGE."""
        return set(self._status([recipe]))

    def altered(self, stage: str) -> list[Path]:
        """The files of a stage's outputs whose bytes are not those that its lock records, as far as DVC's cache lists them."""
        files = files_of(self._repo.cache.local, outputs(stage))
        return [path for path, md5 in files.items() if md5_of(path) != md5]

    def commit(self, target: str) -> None:
        """Record outputs made by this process as the result of their recipe (lock, cache and run cache).

        Files and cache share their bytes where the file system can and `cache.type` lets them.
        """
        self.check_params()
        self._keep_links_open()
        with self.held():
            self._repo.commit(target, force=True, relink=True)

    @contextmanager
    def recording(self, target: str) -> Iterator[None]:
        """Put a stage's files in their place in the block; they are recorded at its end, before any other DVC looks at them."""
        with self.held():
            yield
            self.commit(target)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold DVC's lock. A `dvc repro` lets go of it only for its commands, and so not while it removes what is stale."""
        if self._holds:
            yield
            return
        from dvc.repo import lock_repo

        with owned(Path(TMP), wait=True, name=TURN), _said_by_dvc(), lock_repo(self._repo):  # DVC's is tried but now and then
            self._holds = True
            try:
                yield
            finally:
                self._holds = False

    def drop(self, md5: str) -> None:
        """Remove a file's content from DVC's cache, if it is there."""
        with suppress(FileNotFoundError):
            self._repo.cache.local.delete(md5)

    def shares_bytes(self) -> bool:
        """Whether outputs and cache may share their bytes: by links, on one file system."""
        cache = Path(self._repo.cache.local.path)
        where = next(path for path in (cache, *cache.parents) if path.exists())
        linked = {"hardlink", "symlink"} & set(self._repo.cache.local.cache_types)
        return bool(linked) and where.stat().st_dev == Path().stat().st_dev

    def remotes(self) -> list[str]:
        """The names of the remotes that DVC knows."""
        return [name for name, section in self._repo.config["remote"].items() if "url" in section]

    def push(self, targets: list[str], remote: str) -> None:
        """Push the outputs of stages and recipes to a remote; reads these alone, where `dvc push` would read all recipes."""
        with _said_by_dvc():
            self._repo._reset()
            stages = [info.stage for target in targets for info in self._repo.stage.collect_granular(target)]
            objects = {info for stage in stages for used in stage.get_used_objs(push=True).values() for info in used}
            failed = self._repo.cloud.push(objects, remote=remote).failed
        if failed:
            raise RunFailed(f"DVC: {len(failed)} files could not be pushed to {remote}")

    def pull(self, targets: list[str], remote: str) -> None:
        """Bring the outputs of stages and recipes from a remote, as far as it has them undamaged."""
        for target in targets:
            mend(self._repo.cache.local, outputs(target))
        with _said_by_dvc():
            self._repo.pull(targets, remote=remote, allow_missing=True)

    def content(self, md5: str, remote: str | None = None) -> bytes | None:
        """The bytes of a file in DVC's cache, or in a remote (DVC's default where none is named); None where neither has it."""
        from dvc_data.hashfile.hash_info import HashInfo

        path = Path(self._repo.cache.local.oid_to_path(md5))
        if md5_of(path) != md5 and self._repo.config["remote"]:
            logging.getLogger("dvc.data_cloud").setLevel(logging.ERROR)  # what is missing is said by those who ask
            with suppress(Exception):  # of many kinds, as there are remotes
                self._repo.cloud.pull([HashInfo("md5", md5)], remote=remote)
        return path.read_bytes() if md5_of(path) == md5 else None

    def check_params(self) -> None:
        """Raise RunFailed when params.yaml, or a file of the user's own, is no longer what this process computes with."""
        if self._params is None:
            return
        text = Path(PARAMS).read_bytes()
        other: str | Path | None = PARAMS if text != self._text and load(Path(PARAMS)) != self._params else None
        if other := other or changed(self._params.extensions or []):
            raise RunFailed(f"{other} has changed since this run started: its results cannot be recorded; start again")

    def _keep_links_open(self) -> None:
        """Stay connected to DVC's database of links, which it opens and closes for every file: each last close is a flush."""
        if self._links is None:
            self._links = sqlite3.connect(Path(self._repo.state.links.directory) / "cache.db")
            self._links.execute("select 1 from Settings limit 1").fetchall()  # a connection that has read nothing is none

    def _open(self) -> "Repo":
        from dvc.lock import LockNoop
        from dvc.repo import Repo

        replace()

        logging.getLogger("dvc").setLevel(logging.WARNING)
        for library in ("dvc_objects", "dvc_data"):
            logging.getLogger(library).setLevel(logging.CRITICAL)  # what they log with a traceback is raised, too
        logging.getLogger("dvc.output").setLevel(logging.ERROR)  # a report without curves says so itself
        logging.getLogger("dvc.progress").setLevel(logging.CRITICAL)  # no bars: they would tear our own display
        honest = {"verify": True} if self._remote else None  # what a remote has may be damaged, too
        with _said_by_dvc():
            own = {"core": {"no_scm": True}}  # .gitignore covers all outputs: DVC need not look for itself at every commit
            kind = type("Beside", (Repo,), {"tmp_dir": self._elsewhere.name}) if self._elsewhere else Repo
            repo: Repo = kind(".", remote=self._remote, remote_config=honest, config=own, _wait_for_lock=True)
        if self._elsewhere is not None:
            repo.lock = LockNoop()
        return repo

    def _status(self, targets: list[str]) -> dict[str, Any]:
        for target in targets:
            mend(self._repo.cache.local, outputs(target))
        try:
            with _said_by_dvc():
                stale: dict[str, Any] = self._repo.status(targets=targets)
        except Exception:  # a lock that was cut can break DVC anywhere
            if not drop_damaged_locks():
                raise
            if self._holds:  # another repository would wait for this one's lock
                self._repo._reset()
            else:
                self._repo = self._open()
            return self._status(targets)
        return stale


@contextmanager
def _said_by_dvc() -> Iterator[None]:
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise RunFailed(f"DVC: {in_a_line(error)}") from error

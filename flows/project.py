"""The experiment of a project folder, in Python: its params, results, samples and models, its status, and its runs.

    from flows.project import Project

    project = Project("~/loops")
    project.run()
    project.results().pivot_table(index="generation", columns="arm", values="fid").plot()
    project.samples("sims", seed=0, generation=2).values
    project.model("sims", seed=0, generation=2).sample(1000, seed=1)

Results are read from the files, whatever folder the caller works in. It lies here, beside the command line, since it is the
same door for notebooks: it may run flows, and the rooms below know nothing of it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from pipeline.data import stored
from pipeline.data.arrays import read_samples
from pipeline.data.samples import Labelled
from pipeline.experiment.chains import Chain, chains, check_arm, lengths
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.experiment.extensions import changed
from pipeline.experiment.params import Params, load
from pipeline.recipes.let_go import let_go
from pipeline.recipes.rendering import rendered
from pipeline.records.ledger import finished
from pipeline.storage.layout import AUXILIARY, BASE, PARAMS, RECIPE, SYNTHETIC, Layout

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.views.model import Model, Part

__all__ = ["BadInput", "Chain", "Labelled", "Params", "Project", "RunFailed"]

CODE = Path(__file__).resolve().parents[1]
"""Where the program lies."""
SAID = {"error: ": BadInput, "failed: ": RunFailed}
"""How the last line of a command that fails begins, and what it is in Python."""
GRACE_SECONDS = 60.0
"""How long a run that is stopped may take to end."""
_turn = RLock()
"""Paths are relative to the project, and a process works in one folder at a time: so threads take turns."""


class Project:
    """A project folder: the one that params.yaml lies in. params.yaml is read anew each time, so it may be edited meanwhile.

    Attributes:
        folder: its absolute path.
    """

    def __init__(self, folder: str | Path = ".") -> None:
        """Open it. Raises BadInput where there is none, with what was looked for, and where its params are not allowed."""
        self.folder = Path(folder).expanduser().resolve()
        if not self.folder.is_dir():
            raise BadInput(f"project: there is no folder {self.folder}")
        if not (self.folder / PARAMS).is_file():
            raise BadInput(f"project: {self.folder} is no project: looked for {self.folder / PARAMS}")
        self.params  # noqa: B018 (it is read, and so checked)

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r})"

    @property
    def params(self) -> Params:
        """Today's params.yaml, checked, with defaults; its extensions are loaded. Raises BadInput."""
        with self._inside():
            params = load(Path(PARAMS))
            if other := changed(params.extensions or []):
                raise BadInput(
                    f"extensions: {other} is not what this process has loaded by that name, in this project or another one:"
                    " start Python anew"
                )
            return params

    @property
    def chains(self) -> list[Chain]:
        """The arms with their seeds, made or not."""
        return chains(self.params)

    @property
    def report(self) -> Path:
        """The report's page, whether it has been made or not."""
        return self.folder / Layout(self.params.experiment).page

    def results(self) -> "pd.DataFrame":
        """The finished generations of today's params, a row each, as in collapse.csv; empty where none is finished.

        Raises BadInput, which says what was looked for, where the experiment has made nothing yet.
        """
        from pipeline.views.report.results import collect

        params = self._begun()
        with self._inside():
            return collect(params, rendered(params)).reset_index(drop=True)

    def status(self) -> "pd.DataFrame":
        """A row a chain: arm, seed, how many generations are done, stale (of other params, code, files), missing; last fid."""
        import pandas as pd

        from flows.states import State, generations, states

        params = self.params
        with self._inside():
            found = states(params, generations(params))
        rows = [(chain.arm, chain.seed, *state) for chain, state in found.items()]
        return pd.DataFrame(rows, columns=["arm", "seed", *State._fields])

    def real(self, seed: int | None = None) -> Labelled:
        """The real training set of a seed (the first where none is given): values [N, ...], and labels [N] if any. BadInput."""
        params = self._begun()
        with self._inside():
            path = stored.real(params, params.seeds[0] if seed is None else seed)
            if not path.exists():
                raise BadInput(f"seed: {seed} has no real data: looked for {self.folder / path}")
            return read_samples(path)

    def samples(self, arm: str, seed: int | None = None, generation: int | None = None) -> Labelled:
        """A finished generation's samples: values [N, ...] (a memory map) and labels [N], the classes that they were drawn of.

        Without a seed the arm's first, without a generation the last that is finished. Raises BadInput for what is not there.
        """
        chain, number, folder = self._generation(self._begun(), arm, seed, generation)
        with self._inside():
            _check_kept(chain, number, folder, SYNTHETIC)
            return read_samples(folder / SYNTHETIC)

    def model(self, arm: str, seed: int | None = None, generation: int | None = None, part: "Part" = "output") -> "Model":
        """A finished generation's denoiser, in memory: `.denoise(x, sigma)` and `.sample(n, seed)`.

        It is that of the arm's output (with guidance and zeta), or one of the two models alone (part: base, auxiliary). Without
        a seed the arm's first, without a generation the last that is finished. Raises BadInput for what is not there.
        """
        from pipeline.generation.job import Job
        from pipeline.views.model import Model

        params = self._begun()
        chain, number, folder = self._generation(params, arm, seed, generation)
        with self._inside():
            _check_kept(chain, number, folder, *([BASE] if part == "base" else [BASE, AUXILIARY]))
            return Model(Job(params, chain, number, folder), part)

    def run(
        self, arms: Sequence[str] | None = None, seeds: Sequence[int] | None = None, generations: int | None = None
    ) -> "pd.DataFrame":
        """`self-consuming run` in a process of its own, whose lines go to stderr; gives the results.

        What is current is not made again. Raises BadInput and RunFailed with the run's own line. Interrupted, it stops the run.
        """
        words = [word for arm in arms or () for word in ("--arm", arm)]
        words += [word for seed in seeds or () for word in ("--seed", str(seed))]
        words += ["--generations", str(generations)] if generations is not None else []
        self._command("run", *words)
        return self.results()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Work in the project's folder, and be back in the caller's afterwards."""
        with _turn, chdir(self.folder):
            yield

    def _begun(self) -> Params:
        """Today's params, of an experiment that has made something. Raises BadInput."""
        params = self.params
        facts = self.folder / Layout(params.experiment).facts
        if not facts.exists():
            raise BadInput(f"experiment: {params.experiment!r} has made nothing yet: looked for {facts} (self-consuming run)")
        return params

    def _generation(self, params: Params, arm: str, seed: int | None, generation: int | None) -> tuple[Chain, int, Path]:
        """A finished generation: its chain, its number and its folder. Raises BadInput."""
        check_arm(params, arm)
        seeds = [chain.seed for chain in chains(params) if chain.arm == arm]
        chain = Chain(arm, seeds[0] if seed is None else seed)
        if chain.seed not in seeds:
            raise BadInput(f"seed: {seed} is not allowed: arm {arm} has {', '.join(map(str, seeds))}")
        with self._inside():
            done = finished(params, chain, lengths(params, rendered(params))[chain])
        number = len(done) if generation is None else generation
        if not 1 <= number <= len(done):
            looked = self.folder / Layout(params.experiment).chain(chain)
            has = f"{len(done)} are, of today's params.yaml" if done else "none is"
            raise BadInput(f"generation: {generation or 1} of {chain} is not finished: {has} (looked in {looked})")
        return chain, number, done[number - 1]

    def _command(self, *words: str) -> None:
        """A command of the program, in the project's folder."""
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(CODE)]))
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        last = ""
        try:
            assert process.stderr is not None
            for line in process.stderr:
                print(line, end="", file=sys.stderr)
                last = line.strip() or last
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait(GRACE_SECONDS)
            raise
        if code:
            kind = next((kind for kind in SAID if last.startswith(kind)), None)
            raise SAID[kind](last.removeprefix(kind)) if kind else RunFailed(last or f"the run ended with exit code {code}")


def _check_kept(chain: Chain, number: int, folder: Path, *names: str) -> None:
    """Raise BadInput where any of a generation's files was let go."""
    if let_go(folder / RECIPE) & {folder / name for name in names}:
        command = f"self-consuming restore --arm {chain.arm} --seed {chain.seed} --generation {number}"
        raise BadInput(f"generation: {number} of {chain} is not whole: {' and '.join(names)} were let go ({command})")

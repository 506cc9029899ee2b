"""Where everything lies: the paths and file names of an experiment."""

from dataclasses import dataclass
from pathlib import Path

from models.diffusion.power_function import KEPT, due
from pipeline.experiment.budgets import Training
from pipeline.experiment.chains import Chain

PARAMS = "params.yaml"
PRESETS = "presets"
STUDY_FOLDER = Path("studies")
"""A folder for each study."""
RECIPE = "dvc.yaml"
LOCK = "dvc.lock"
BASE = "base.safetensors"
AUXILIARY = "auxiliary.safetensors"
SYNTHETIC = "synthetic.npy"
DRAWN = "drawn.npy"
LABELS = {SYNTHETIC: "synthetic-labels.npy", DRAWN: "drawn-labels.npy"}
"""The classes that samples were drawn of, where params.yaml has labels."""
CHOICE = "choice.json"
LOSSES = "losses.json"
PROCESSES = "processes.json"
"""While a generation is made: how many processes trained one after the other, where that changed within a training."""
ENVIRONMENT = "environment.json"
"""Beside a base model: what it was made with (`pipeline.experiment.machine.environment`)."""
MADE = "made.json"
"""Beside a generation's models and samples: what was chosen, what it cost, what it was made with."""
METRICS = "metrics.json"
PICTURE = "samples.png"
TIMINGS = "timings.jsonl"
OWNER = "owner.pid"
"""The process that makes a chain's generation, or a study's points."""
RUNNER = "run.pid"
"""The run that a chain belongs to, from its beginning to its end."""
TRACKER = "track.pid"
"""The process that writes a chain's runs in MLflow."""
ANNOUNCED = "announced.jsonl"
FAILURE = "failure.txt"
HALT = "halt"
"""There while a chain must not begin another generation."""


@dataclass(frozen=True)
class Layout:
    """The paths of one experiment, relative to the project's root (every command runs there)."""

    experiment: str

    @property
    def runs(self) -> Path:
        """Everything the experiment makes."""
        return Path("runs") / self.experiment

    @property
    def plan(self) -> Path:
        """The chains and their lengths: what the recipes were rendered for."""
        return self.runs / "plan.json"

    @property
    def recipe(self) -> Path:
        """The recipe of what all chains share."""
        return self.runs / RECIPE

    @property
    def kinds(self) -> Path:
        """The code of each kind of the user's own that the experiment uses, a file each."""
        return self.runs / "kinds"

    @property
    def planned(self) -> Path:
        """There, and always the same, once the recipes are rendered: first generations depend on it."""
        return self.runs / "planned"

    @property
    def chained(self) -> Path:
        """There, and always the same, once DVC knows of all recipes."""
        return self.runs / "chained"

    @property
    def reports(self) -> Path:
        """What people look at."""
        return Path("reports") / self.experiment

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.reports / "report.html"

    @property
    def data(self) -> Path:
        """The real data."""
        return self.runs / "data"

    def real(self, seed: int) -> Path:
        """The real training set of a seed."""
        return self.data / f"real-seed{seed}.npy"

    @property
    def facts(self) -> Path:
        """The floor: the real data, judged as generations are."""
        return self.runs / "real.json"

    @property
    def extractor(self) -> Path:
        """The folder of the extractor's files, where it has any."""
        return self.runs / "extractor"

    def held_out(self, seed: int) -> Path:
        """Real samples of a seed that nothing is trained on or reported by: what guidance is chosen by."""
        return self.data / f"selection-seed{seed}.npy"

    def base(self, seed: int) -> Path:
        """The folder of generation 1's base model, shared by all arms."""
        return self.runs / "base" / f"seed{seed}"

    def chain(self, chain: Chain) -> Path:
        """A chain's folder."""
        return self.runs / chain.arm / f"seed{chain.seed}"

    def failure(self, chain: Chain) -> Path:
        """Why the chain's last run ended before its end; only there when it did (`pipeline.making.failures`)."""
        return self.chain(chain) / FAILURE

    def generation(self, chain: Chain, generation: int) -> Path:
        """A generation's folder; never a bare number (YAML 1.2 reads 008 as 8)."""
        return self.chain(chain) / f"g{generation:03d}"


def averages_of(model: str, training: Training) -> list[str]:
    """The files of the averages that a training keeps, beside a model's file."""
    if not (every := training.kept_images):
        return []
    times = due(training.batch, training.steps, every)
    return [average_name(Path(model).stem, images, length) for images in times for length in KEPT]


def average_name(stem: str, images: int | None, sigma_rel: float | None) -> str:
    """The file of an average of a length after so many images; of any, as a pattern, where they are None."""
    numbers = ("*" if images is None else f"{images:013d}", "*" if sigma_rel is None else f"{sigma_rel:.3f}")
    return f"{stem}-average-{'-'.join(numbers)}.safetensors"

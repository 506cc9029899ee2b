"""What the benchmarks share: two sides in turn, medians and spread, a table, and a JSON file with machine and versions."""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

HOME = Path(__file__).resolve().parents[1]
OUT = HOME / "runs" / "benchmarks"
PACKAGES = "torch", "numpy", "scipy", "clean-fid", "prdc", "torch-fidelity", "prefect", "dvc", "mlflow"


def arguments(text: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the JSON file")
    return parser


def machine() -> dict[str, Any]:
    """On what and with what the figures were made."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    )
    versions = {name: version(name) for name in PACKAGES}
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions,
    }


def version(package: str) -> str | None:
    """The installed version; None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def wait() -> None:
    """Until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turn(sides: dict[str, Callable[[], object]], repetitions: int, at_most: float = 60) -> dict[str, list[float]]:
    """Seconds of every side, given in turn: once unmeasured where that is short, then `repetitions` times or until so many
    seconds are over, but once at least."""
    began, seconds = time.perf_counter(), dict[str, list[float]]((name, []) for name in sides)
    for _ in range(repetitions + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            wait()
            seconds[name].append(time.perf_counter() - start)
        if time.perf_counter() - began > at_most:
            break
    return {name: each[1:] or each for name, each in seconds.items()}


def spread(values: list[float]) -> dict[str, Any]:
    """Median, least, most, and how many."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "n": len(values)}


class Table:
    """Rows of a benchmark; printed as they come, and written down together."""

    def __init__(self, name: str) -> None:
        self.name, self.machine, self.rows = name, machine(), list[dict[str, Any]]()
        gpu = f", {self.machine['gpu']}" if self.machine["gpu"] else ""
        print(
            f"{name}: {self.machine['processor']}, {self.machine['cores']} cores{gpu}, load {self.machine['load_before']:.1f}"
        )

    def compare(self, what: str, seconds: dict[str, list[float]], target: float | None = None, **more: Any) -> float:
        """A row of two sides, the first of them ours; gives by how many times the second takes longer, as a median of turns."""
        (ours, mine), (other, theirs) = seconds.items()
        ratio = statistics.median(b / a for a, b in zip(mine, theirs))
        times = f"{ours} {milliseconds(mine)}, {other} {milliseconds(theirs)}"
        self.say(
            what, f"{ratio:.2f} times", times, ratio, target, ">=", {name: spread(each) for name, each in seconds.items()}, more
        )
        return ratio

    def say(
        self,
        what: str,
        shown: str,
        detail: str = "",
        value: float | None = None,
        target: float | None = None,
        sense: str = ">=",
        seconds: Any = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        """A row of any kind; `sense` is how the value should be to the target, >= or <=."""
        met = None if target is None or value is None else value >= target if sense == ">=" else value <= target
        verdict = "" if met is None else f"target {sense} {target:g}: {'met' if met else 'MISSED'}"
        print(f"  {what:<44} {shown:<14} {verdict:<24} {detail} {more or ''}".rstrip(), flush=True)
        row = {"what": what, "shown": shown, "value": value, "target": target, "sense": sense, "met": met}
        self.rows.append(row | {"seconds": seconds, "detail": detail} | (more or {}))

    def skip(self, what: str, why: str) -> None:
        """A row that cannot be had here."""
        self.say(what, "skipped", why)

    def write(self, folder: Path) -> None:
        """The JSON file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps({"benchmark": self.name, "machine": self.machine, "rows": self.rows}, indent=1) + "\n")
        print(f"  written to {path}")


def milliseconds(values: list[float]) -> str:
    """Median and range."""
    found = spread(values)
    return f"{1e3 * found['median']:.3g} ms ({1e3 * found['least']:.3g} to {1e3 * found['most']:.3g}, n={found['n']})"

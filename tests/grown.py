"""Projects with made-up results: as long as a test wants them, in no time."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Project
from ruamel.yaml import YAML


def grown(finished: Project, folder: Path, seeds: int, generations: int) -> Project:
    """A project with as many finished generations as asked for, all copies of the smoke experiment's, with made-up FIDs."""
    made = Project(folder)
    made.edit("seeds: [0]", f"seeds: {list(range(seeds))}")
    made.edit("generations: 2", f"generations: {generations}")
    source, target = finished.folder / "runs/smoke", folder / "runs/smoke"
    shutil.copytree(source / "data", target / "data")
    shutil.copy(source / "real.json", target / "real.json")
    for arm, rise in (("standard", 1.04), ("sims", 1.0)):
        first, lines = source / arm / "seed0/g001", []
        locked = YAML(typ="safe").load(first / "dvc.lock")["stages"]
        for seed in range(seeds):
            for t in range(1, generations + 1):
                to = target / arm / f"seed{seed}" / f"g{t:03d}"
                to.mkdir(parents=True)
                for name in ("samples.png", "synthetic.npy"):
                    shutil.copy(first / name, to / name)
                fid = 0.02 * rise**t * (1 + 0.1 * np.sin(t + seed))
                metrics = json.loads((first / "metrics.json").read_text()) | {"generation": t, "fid": fid}
                (to / "metrics.json").write_text(json.dumps(metrics))
                before = to.with_name(f"g{t - 1:03d}") / "synthetic.npy"
                deps = [{"path": str(before.relative_to(folder)), "md5": "0"}]
                outs = [{"path": str((to / "synthetic.npy").relative_to(folder)), "md5": "0"}]
                models = {"cmd": "made up", "deps": deps, "params": locked["generation"]["params"], "outs": outs}
                judged = {"cmd": "made up", "deps": outs, "params": locked["judged"]["params"], "outs": []}
                stages = {"generation": models, "judged": judged}
                (to / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
                lines.append({"step": "train", "generation": t, "seconds": 1.0, "began": float(t), "pid": 1})
        (target / arm / "seed0/timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


@pytest.fixture(scope="session")
def big(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """100 generations of 2 arms with 3 seeds, and their report; tests must leave it as it is."""
    made = grown(finished, tmp_path_factory.mktemp("big") / "project", seeds=3, generations=100)
    began = time.monotonic()
    made.run("flows.cli", "report")
    made.seconds = time.monotonic() - began  # type: ignore[attr-defined]
    return made


@pytest.fixture
def small(finished: Project, tmp_path: Path) -> Project:
    """4 generations of 2 arms with 2 seeds, and no report yet."""
    return grown(finished, tmp_path / "small", seeds=2, generations=4)


def page_of(project: Project) -> Path:
    return project.folder / "reports/smoke/report.html"

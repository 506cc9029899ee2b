"""Every check that needs a GPU, in one command; each part is a process of its own, and what it says is kept in OUT.

    python benchmarks/gpu.py [--out FOLDER] [--only PART ...] [--preset cifar10-small]

    bytes      every network in bf16, trained and sampled twice: equal bytes
    tiny       seconds of a training step, CPU beside GPU, over the size of small networks: the rule of `device: auto`
    speed      images a second of training beside a plain eager loop (benchmarks/training.py)
    inception  FID of all training against all test images (benchmarks/inception_parity.py)
    sims       generation 1 of a preset: FID of the base and of SIMS, on streams that nothing is chosen by

Needs the data and the weights that the preset names (docs/data.md, docs/fid.md), but neither DVC, Prefect nor MLflow.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch

from models.diffusion.arithmetic import Arithmetic
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import CHUNK_STEPS, Held
from models.diffusion.training import Watch, train
from models.networks import mlp, residual_mlp
from pipeline.experiment.chains import Chain
from pipeline.experiment.kinds import NETWORKS, SAMPLERS
from pipeline.experiment.params import load
from pipeline.making.judgement import judge_generation
from pipeline.making.shared import make_shared
from pipeline.making.transactions import make_base, make_generation
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, Layout

HOME = Path(__file__).resolve().parents[1]
BUDGET = Budget(steps=CHUNK_STEPS, batch=64, learning_rate=1e-3, warmup=0.1, cosine=True, ema=0.1, p_mean=-1.2, p_std=1.2)
UNETS = {
    "song-unet": {"channels": 32, "multipliers": [1, 2], "blocks": 1, "attention": [16], "dropout": 0.1},
    "dhariwal-unet": {"channels": 32, "multipliers": [1, 2], "blocks": 1, "attention": [16], "dropout": 0.1},
}


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def equal_bytes(preset: str) -> None:
    """Train and sample every network twice, with labels where it takes them, and compare the hashes."""
    torch.set_deterministic_debug_mode("error")
    shape = 3, 32, 32
    images = torch.randint(0, 256, (512, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sampler = SAMPLERS.entry("heun").settings.model_validate(
        {"kind": "heun", "steps": 6, "sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0, "zeta": 1.0, "block": 64}
    )
    small = {"width": 256, "depth": 2, "embedding": 32}
    for kind, given in {"mlp": small, "residual-mlp": small, **UNETS}.items():
        for compiled in (False, True):
            hashes = set[str]()
            for _ in range(2):
                torch.manual_seed(0)
                settings = NETWORKS.entry(kind).settings.model_validate({"kind": kind} | given)
                classes = 10 if getattr(settings, "takes_labels", False) else 0
                network = NETWORKS[kind](shape, settings, *([classes] if classes else []))
                held = Held(images.to(device()), (torch.arange(512) % 10).to(device()), classes, flip=True)
                start = Denoiser(network, 0.5, Arithmetic("bf16", compiled))
                trained = train(start, held, BUDGET, lambda stream, index: index)
                latents = torch.randn(64, *shape, generator=torch.Generator().manual_seed(1)).to(device())
                told = [torch.eye(10, device=device())[torch.arange(64) % 10]] if classes else []
                with torch.inference_mode():
                    drawn = SAMPLERS["heun"](lambda x, s, m=trained, t=told: m(x, s, *t), latents, sampler)
                assert drawn.isfinite().all()
                content = [drawn, *trained.state_dict().values()]
                hashes.add(sha256(b"".join(value.cpu().numpy().tobytes() for value in content)).hexdigest()[:12])
            said = "equal bytes" if len(hashes) == 1 else f"DIFFERENT: {hashes}"
            print(f"{name()}, {kind}, bf16, {'compiled' if compiled else 'eager'}: {said}", flush=True)


def tiny(preset: str) -> None:
    """Milliseconds of a training step on one thread of the CPU, and on the GPU."""
    torch.set_num_threads(1)
    for kind, settings, shape, batch in (
        ("mlp", mlp.Settings(width=64, depth=3, embedding=16), (2,), 256),
        ("mlp", mlp.Settings(width=256, depth=3, embedding=16), (2,), 256),
        ("residual-mlp", residual_mlp.Settings(width=128, depth=2, embedding=32), (1, 8, 8), 256),
        ("residual-mlp", residual_mlp.Settings(width=256, depth=3, embedding=32), (1, 8, 8), 256),
        ("residual-mlp", residual_mlp.Settings(width=512, depth=4, embedding=32), (1, 8, 8), 256),
    ):
        budget = replace(BUDGET, steps=4 * CHUNK_STEPS, batch=batch)
        times = {}
        for where in (torch.device("cpu"), device()):
            start = Denoiser(NETWORKS[kind](shape, settings), 1.0)
            told = list[float]()
            watch = Watch(progress=lambda steps, loss, told=told: told.append(time.perf_counter()))
            train(start, Held(torch.randn(1000, *shape, device=where)), budget, lambda stream, index: index, watch)
            times[where.type] = 1000 * (told[-1] - told[0]) / (3 * CHUNK_STEPS)
        work = settings.multiplications * batch / 1e6
        shown = ", ".join(f"{where} {taken:.2f} ms" for where, taken in times.items())
        print(f"{name()}, {kind} {settings.width} x {settings.depth}: {work:.0f} M multiplications, {shown}", flush=True)


def speed(preset: str) -> None:
    """The benchmark of training."""
    subprocess.run([sys.executable, HOME / "benchmarks/training.py", "--preset", preset], check=True, cwd=HOME)


def inception(preset: str) -> None:
    """The published distance of CIFAR-10's two parts."""
    settings = load(HOME / f"presets/{preset}.yaml", root=HOME).evaluation.extractor
    weights = [f"--{key}={value}" for key in ("weights", "digest") if (value := getattr(settings, key, None))]
    command = [sys.executable, HOME / "benchmarks/inception_parity.py", "--n", "0", *weights]
    subprocess.run(command, check=True, cwd=HOME)


def sims(preset: str) -> None:
    """Generation 1 of the preset's arm `sims`, judged."""
    params = load(HOME / f"presets/{preset}.yaml", root=HOME)
    chain, layout = Chain("sims", params.seeds[0]), Layout(params.experiment)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for what, act in (
            ("data, extractor, floor", lambda: make_shared(params)),
            ("base", lambda: make_base(params, chain.seed)),
            ("generation", lambda: make_generation(params, chain, 1)),
            ("judged", lambda: judge_generation(params, chain, 1)),
        ):
            began = time.perf_counter()
            act()
            print(f"{name()}, {preset}, {what}: {time.perf_counter() - began:.0f} s", flush=True)
        made = layout.generation(chain, 1)
        metrics = read_json(made / METRICS)
        print(json.dumps(metrics, indent=1))
        print(json.dumps(read_json(layout.facts), indent=1))
        print((layout.chain(chain) / "timings.jsonl").read_text())
        base, guided = metrics["fid_base"], metrics["fid"]
        lower = f"{100 * (1 - guided / base):.0f} % lower"
        print(f"{name()}: FID of base {base:.2f}, SIMS {guided:.2f} at w {metrics['guidance']}: {lower}")
        (Path(os.environ["GPU_OUT"]) / "samples.png").write_bytes((made / "samples.png").read_bytes())
        os.chdir(HOME)


PARTS: dict[str, Callable[[str], None]] = {
    "bytes": equal_bytes,
    "tiny": tiny,
    "speed": speed,
    "inception": inception,
    "sims": sims,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HOME / "runs" / "gpu")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--preset", default="cifar10-small")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        PARTS[given.part](given.preset)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    paths = f"{HOME}:{os.environ.get('PYTHONPATH', '')}"
    surroundings = os.environ | {"PYTHONPATH": paths, "GPU_OUT": str(given.out.resolve()), "PYTHONUNBUFFERED": "1"}
    failed = []
    for part in given.only:
        began = time.perf_counter()
        command = [sys.executable, __file__, "--part", part, "--preset", given.preset]
        with (given.out / f"{part}.log").open("w") as log:
            code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=surroundings, check=False).returncode
        lines = (given.out / f"{part}.log").read_text().splitlines()
        print(
            f"== {part}: {'done' if not code else 'FAILED'} after {time.perf_counter() - began:.0f} s",
            *lines[-12:],
            sep="\n",
            flush=True,
        )
        failed += [part] * bool(code)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

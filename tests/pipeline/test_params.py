import subprocess
from pathlib import Path

import pytest

from flows.cli import main
from pipeline.experiment.params import load

GAUSSIAN = Path("presets/gaussian.yaml").read_text()
COVARIANCE = "covariance: [[2.0, 1.0], [1.0, 2.0]]"


def test_the_default_experiment_is_the_gaussian_preset():
    committed = subprocess.run(["git", "show", "HEAD:params.yaml"], capture_output=True, text=True, check=True).stdout
    assert committed == subprocess.run(["git", "show", "HEAD:presets/gaussian.yaml"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("preset", sorted(Path("presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_valid(preset):
    assert load(preset).experiment == preset.stem


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "kind: gaussian ",
            "kind: foo ",
            "data.kind: 'foo' is not allowed: one of 'cifar10', 'digits', 'gaussian', 'gaussian-mixture', 'idx', 'images'",
        ),
        ("kind: gaussian ", "kindd: gaussian ", "data.kind: is missing"),
        ("n_real: 4000", "n_real: many", "data.n_real: 'many' is not allowed: input should be a valid integer"),
        ("n_real: 4000", "n_real: true", "data.n_real: True is not allowed"),
        ("n_real: 4000", "n_reel: 1000", "data.n_reel: unknown key (value 1000); allowed are kind, n_real, mean, covariance"),
        ("seeds: [0]", "seeds: []", "seeds: [] is not allowed"),
        ("seeds: [0]", "seeds: 0", "seeds: 0 is not allowed"),
        ("seeds: [0]", "seeds: [0, 0]", "seeds must differ from each other, got [0, 0]"),
        ("seeds: [0]", "seeds: [-1]", "seeds.0: -1 is not allowed"),
        ("generations: 100 ", "generations: 0 ", "generations: 0 is not allowed: input should be greater than or equal to 1"),
        ("generations: 100 ", "generations: '9' ", "generations: '9' is not allowed"),
        ("mean: [0.0, 0.0]", "mean: [0.0]", "data.mean: [0.0] is not allowed: list should have at least 2 items"),
        ("mean: [0.0, 0.0]", "mean: [0.0, 0.0, 0.0]", "covariance [[2.0, 1.0], [1.0, 2.0]] is not allowed: it must be 3 x 3"),
        (COVARIANCE, "covariance: [[1.0, 2.0], [2.0, 1.0]]", "it must be symmetric and positive definite"),
        (COVARIANCE, "covariance: [[1.0, .nan], [.nan, 1.0]]", "data.covariance.0.1: nan is not allowed"),
        ("embedding: 16", "embedding: 15", "network.embedding: 15 is not allowed"),
        ("kind: processes", "kind: threads", "engine.kind: 'threads' is not allowed: input should be 'processes' or 'ray'"),
        ("kind: processes", "address: auto", "address 'auto' is not allowed: it is for kind ray alone"),
        ("kind: processes", "gpus_per_chain: -1", "engine.gpus_per_chain: -1 is not allowed"),
        ("workers: auto", "workers: many", "engine.workers: 'many' is not allowed: input should be 'auto' or"),
        ("threads: 1", "threads: many", "engine.threads: 'many' is not allowed: input should be 'auto' or"),
        ("guidance: 1.0", "guidance: -101", "arms.sims.guidance: -101 is not allowed"),
        (", guidance: 1.0", "", "arms.sims: guidance is missing"),
        ("strategy: standard}", "strategy: standard, guidance: 1.0}", "arms.standard: guidance 1.0 is not allowed"),
        (
            "strategy: sims,",
            "strategy: simms,",
            "arms.sims: strategy must be one of standard, sims, neon, autoguidance",
        ),
        (
            "loop: real",
            "loop: rael",
            "arms.real: loop must be one of augmentation, synthetic, fresh, accumulate, ",
        ),
        (
            "n: 4000 ",
            "n: 50\n  fid_infinity: true ",
            "evaluation: n 50 is not allowed: fid_infinity needs at least 100 with extractor identity",
        ),
        ("# fid_infinity: true ", "fid_infinity: 1 # ", "evaluation.fid_infinity: 1 is not allowed"),
        ("sigma_max: 80.0", "sigma_max: 0.001", "sampler: sigma_min 0.002 is not allowed: it must be below sigma_max, 0.001"),
        ("zeta: 1.0", "zeta: -1.0", "sampler.zeta: -1.0 is not allowed"),
        ("extractor: identity", "extractor: classifier", "evaluation.extractor: 'classifier' is not allowed"),
        ("device: auto", "device: gpu", "device: 'gpu' is not allowed"),
        ("device: auto", "devices: auto", "devices: unknown key (value 'auto'); allowed are experiment"),
        ("  standard: {", "  Standard Arm: {", "arms.Standard Arm: 'Standard Arm' is not allowed"),
        ("  standard: {", "  base: {", "arms must not be called base"),
        ("experiment: gaussian ", "experiment: ../x ", "experiment: '../x' is not allowed"),
        ("experiment: gaussian ", "experiment: [1 ", "cannot be read as YAML"),
        ("n_synthetic: 12000", "n_synthetic: 12000\nn_synthetic: 3", "cannot be read as YAML"),
        ("learning_rate: 1.0e-3", "learning_rate: .inf", "train.learning_rate: inf is not allowed"),
        ("warmup: 0.05", "warmup: .nan", "train.warmup: nan is not allowed"),
        ("ema: 0.1", "ema: .nan", "train.ema: nan is not allowed"),
        ("guidance: 1.0", "guidance: 1.0, interval: [1]", "arms.sims.interval: [1] is not allowed"),
        ("guidance: 1.0", "guidance: 1.0, interval: [5, 1]", "arms.sims: interval [5.0, 1.0] is not allowed"),
        ("strategy: standard}", "strategy: standard, interval: [1, 5]}", "arms.standard: interval [1.0, 5.0] is not allowed"),
        ("guidance: 1.0", "guidance: 1.0, guide: {steps: 9}", "strategy 'sims' has none but a checkpoint"),
        ("guidance: 1.0", "guidance: 1.0, guide: {width: 9}", "arms.sims.guide: needs one of steps and checkpoint"),
        ("sims, guidance: 1.0", "neon, guidance: 1, guide: {checkpoint: x}", "strategy 'neon' has none"),
        ("guidance: 1.0", "guidance: .nan", "arms.sims.guidance: nan is not allowed"),
        ("experiment: gaussian ", "experiment: 2024-13-01 ", "cannot be read as YAML"),
        ("experiment: gaussian ", "experiment: gallery ", "experiment: 'gallery' is not allowed"),
        ("experiment: gaussian ", "experiment: studies ", "reports/studies holds the pages of studies"),
        ("experiment: gaussian ", "experiment: 7 ", "experiment: 7 is not allowed"),
        ("experiment: gaussian ", "experiment: null ", "experiment: None is not allowed"),
        ("seeds: [0]", "seeds: [zero]", "seeds.0: 'zero' is not allowed"),
        ("seeds: [0]", "seeds: [4294967296]", "seeds.0: 4294967296 is not allowed"),
        (
            "generations: 100 ",
            "generations: 1000 ",
            "generations: 1000 is not allowed: input should be less than",
        ),
        ("generations: 100 ", "generations: 1.5 ", "generations: 1.5 is not allowed"),
        ("device: auto", "device: cuda:x", "device: 'cuda:x' is not allowed"),
        ("n_synthetic: 12000", "n_synthetic: 0", "n_synthetic: 0 is not allowed"),
        (COVARIANCE, "covariance: [[2.0, 1.0]]", "it must be 2 x 2, as long as mean"),
        (COVARIANCE, "covariance: [[2.0, 1.0], [0.5, 2.0]]", "it must be symmetric and positive definite"),
        ("width: 64", "width: 0", "network.width: 0 is not allowed"),
        ("width: 64", "width: 64.0", "network.width: 64.0 is not allowed"),
        (
            "kind: mlp ",
            "kind: unet ",
            "network.kind: 'unet' is not allowed: one of 'dhariwal-unet', 'edm2-unet', 'mlp', 'residual-mlp', 'song-unet'",
        ),
        ("sigma_data: 1.4142", "sigma_data: 0", "noise.sigma_data: 0 is not allowed"),
        ("p_std: 1.8", "p_std: wide", "noise.p_std: 'wide' is not allowed"),
        ("steps: 2200 ", "steps: -1 ", "train.steps: -1 is not allowed"),
        (
            "schedule: cosine ",
            "schedule: linear ",
            "train.schedule: 'linear' is not allowed: input should be 'cosine', 'constant' or",
        ),
        ("  n: 10000\n", "", "auxiliary.n: is missing"),
        ("  # checkpoint_images: 10000000", "  checkpoint_images: 0 #", "train.checkpoint_images: 0 is not allowed"),
        ("steps: 18 ", "steps: 1 ", "sampler.steps: 1 is not allowed"),
        ("block: 2000 ", "block: none ", "sampler.block: 'none' is not allowed"),
        ("n: 4000 ", "n: 1 ", "evaluation.n: 1 is not allowed"),
        ("arms:\n", "arms: {}\nother:\n", "other: unknown key"),
        ("generations: 20}", "generations: 0}", "arms.real.generations: 0 is not allowed"),
        ("guidance: 1.0", "guidance: strong", "arms.sims.guidance: 'strong' is not allowed"),
        ("guidance: 1.0", "guidence: 1.0", "arms.sims.guidence: unknown key (value 1.0); allowed are loop, strategy"),
        ("threads: 1 ", "threads: 0 ", "engine.threads: 0 is not allowed"),
        ("# remote: NAME", "remote: [] #", "remote: [] is not allowed"),
        (
            "n_synthetic: 12000",
            "n_synthetic: {start: 9, factor: 99.0}",
            "arms.standard.n_synthetic: more than 1000000000 samples",
        ),
        ("n_synthetic: 12000", "n_synthetic: {start: 9, times_real: 0.5}", "needs one of start and times_real"),
        ("  standard: {", "  planned: {", "arms must not be called planned"),
        (
            "n_synthetic: 12000",
            "n_synthetic: {times_rael: 0.5}",
            "n_synthetic.times_rael: unknown key (value 0.5); allowed are start,",
        ),
        (
            "guidance: 1.0",
            "guidance: 1.0, guide: {stps: 1}",
            "arms.sims.guide.stps: unknown key (value 1); allowed are steps,",
        ),
        (
            "guidance: 1.0",
            "guidance: 1.0, hook: {naem: x}",
            "arms.sims.hook.naem: unknown key (value 'x'); allowed are name,",
        ),
        ("  sims: {", "  guide: {typo: 1, ", "arms.guide.typo: unknown key (value 1); allowed are loop, strategy"),
        ("threads: 1 ", "threads: 1\n  thread: 2 ", "engine.thread: unknown key (value 2); allowed are kind, workers"),
        ("seeds: [0]", "seeds: !!bool foo", "cannot be read as YAML"),
        ("seeds: [0]", 'seeds: !!int ""', "cannot be read as YAML"),
        ("n_real: 4000", "n_real: 1000000000000", "data.n_real: 1000000000000 is not allowed: input should be less than"),
        ("batch: 256", "batch: 1000000000000", "train.batch: 1000000000000 is not allowed: input should be less than"),
        ("n: 4000 ", "n: 1000000000000 ", "evaluation.n: 1000000000000 is not allowed"),
        ("device: auto", "device: cuda:00", "device: 'cuda:00' is not allowed"),
        ("device: auto", "device: cuda:99999999999", "device: 'cuda:99999999999' is not allowed"),
        (
            "arms:\n",
            "extensions: [../q/my_loop.py]\narms:\n",
            "extensions: '../q/my_loop.py' is not allowed: there is no such file",
        ),
        (
            "arms:\n",
            "extensions: [no_such_module]\narms:\n",
            "extensions: 'no_such_module' is not allowed: there is no such module",
        ),
        ("arms:\n", "extensions: [7]\narms:\n", "extensions.0: 7 is not allowed: input should be a valid string"),
        ("arms:\n", "extensions: [gone.py]\narms:\n", "extensions: 'gone.py' is not allowed: there is no such file"),
        ("mean: [0.0, 0.0]", "mean: [1.0e+39, 0.0]", "data.mean.0: 1e+39 is not allowed: input should be less than"),
        (COVARIANCE, "covariance: [[1.0e+80, 0.0], [0.0, 1.0]]", "data.covariance.0.0: 1e+80 is not allowed"),
        ("seeds: [0]", f"seeds: [0x{'f' * 4000}]", "seeds.0: a number of thousands of digits is not allowed"),
        ("arms:\n", '"a\\nb": 1\narms:\n', r"'a\nb': unknown key (value 1)"),
        ("loop: real,", "loop: real, seeds: [0, 0],", "arms.real.seeds must differ from each other, got [0, 0]"),
        (
            "strategy: sims, guidance: 1.0",
            "strategy: autoguidance, guidance: 1.0, guide: {steps: 9, width: 65}",
            "arms.sims.guide.width: 65 is not allowed: network.width is 64",
        ),
        (
            "kind: processes",
            "kind: ray\n  address: '127.0.0.1:99999'",
            "engine: address '127.0.0.1:99999' is not allowed: a port",
        ),
    ],
)
def test_bad_params_end_with_exit_2_and_one_line_that_names_key_value_and_what_is_allowed(
    tmp_path, monkeypatch, capsys, old, new, says
):
    assert old in GAUSSIAN
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.cli.stop_by_signals", lambda: None)
    Path("presets").mkdir()
    for path, arguments in (("params.yaml", ["run"]), ("presets/other.yaml", ["preset", "other"])):
        Path(path).write_text(GAUSSIAN.replace(old, new, 1))
        there = {file: file.is_file() and file.read_bytes() for file in Path().rglob("*")}
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert says in said.err
        assert {file: file.is_file() and file.read_bytes() for file in Path().rglob("*")} == there

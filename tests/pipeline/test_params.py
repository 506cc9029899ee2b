from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.params import load


def test_the_default_experiment_is_the_gaussian_preset():
    assert Path("params.yaml").read_text() == Path("presets/gaussian.yaml").read_text()


@pytest.mark.parametrize("preset", sorted(Path("presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_valid(preset):
    assert load(preset).experiment == preset.stem


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("n_real: 1000", "n_real: many", "data.n_real: 'many'"),
        ("generations: 100 ", "generations: 0 ", "generations: 0"),
        ("device: auto", "devices: auto", "devices: unknown key"),
        ("zeta: 1.0", "zeta: -1.0", "sampler.zeta: -1.0"),
        ("strategy: sims,", "strategy: simms,", "strategy must be one of standard, sims"),
    ],
)
def test_bad_params_are_named_with_key_and_value(tmp_path, old, new, says):
    text = Path("presets/gaussian.yaml").read_text()
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=says.split(":")[0]) as raised:
        load(tmp_path / "params.yaml")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)

"""The report: its size and time, what it says and draws, and of chains that stopped."""

import json
import re
import shutil
import subprocess
from contextlib import chdir
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from grown import page_of
from PIL import Image

from pipeline.experiment.chains import Chain
from pipeline.experiment.params import Params, load
from pipeline.making.failures import note_failure
from pipeline.recipes.stages import plots
from pipeline.storage.layout import RUNNER, Layout
from pipeline.storage.ownership import owned
from pipeline.views.report import figures, report
from pipeline.views.report.charts import charts
from pipeline.views.report.gallery import gallery
from pipeline.views.report.results import ALWAYS, collect, settings, yardsticks
from pipeline.views.report.states import progress

SECONDS, BYTES = 20, 8_000_000
AUTO = (
    "sims: {loop: augmentation, strategy: sims, guidance: auto, candidates: [0.5, 1.5], zeta: 0.9, init: previous,"
    " hook: {name: keep-typical, share: 0.5}, n_synthetic: {start: 400, factor: 2}}"
)


@pytest.mark.timed
def test_a_hundred_generations_of_two_arms_and_three_seeds_are_reported_small_and_fast(big):
    assert page_of(big).stat().st_size < BYTES
    assert big.seconds < SECONDS
    assert page_of(big).with_name("collapse.gif").stat().st_size < 2**20


@pytest.mark.timed
def test_large_pictures_are_made_smaller_until_the_page_is_small_enough(big, tmp_path):
    copy = big.copy(tmp_path / "copy")
    noise = np.random.default_rng(0).integers(0, 256, (528, 528, 3), dtype=np.uint8)
    for picture in copy.folder.glob("runs/smoke/*/seed0/g*/samples.png"):
        Image.fromarray(noise).save(picture, compress_level=0)
    with chdir(copy.folder):
        assert report.build(load(Path("params.yaml"))).stat().st_size < BYTES


def test_the_same_files_give_the_same_animation_and_page(small):
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        first = report.build(params).read_bytes(), Path("reports/smoke/collapse.gif").read_bytes()
        assert (report.build(params).read_bytes(), Path("reports/smoke/collapse.gif").read_bytes()) == first


def test_the_page_leads_to_the_pages_of_studies_that_there_are(small):
    with chdir(small.folder):
        page = report.build(load(Path("params.yaml")))
        assert "../studies/" not in page.read_text()
        study = Path("reports/studies/control/report.html")
        study.parent.mkdir(parents=True)
        study.touch()
        found = re.findall(r'href="(../studies/[^"]*)"', report.build(load(Path("params.yaml"))).read_text())
        assert [(page.parent / link).resolve() for link in found] == [study.resolve()]


def test_every_numeric_metric_is_drawn_with_a_band_and_the_fid_with_floor_and_prediction(small):
    for path in small.folder.glob("runs/smoke/*/seed*/g*/metrics.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"kid": 0.0, "name": "no number", "mode_shares": [0.4, 0.6]}))
    facts = small.folder / "runs/smoke/real.json"
    known = json.loads(facts.read_text())
    facts.write_text(json.dumps(known | {"floors": known["floors"] | {"mode_shares": [0.5, 0.5], "n_prdc": 700}}))
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        drawn = {chart["name"]: chart for chart in charts(params, results, yardsticks(params, results))}
    assert {"fid", "fid_base", "kid", "mean_error", "trace"} <= drawn.keys()
    assert {"name", "nfe", "images_seen", "generation", "seed"}.isdisjoint(drawn)
    assert not [name for name in drawn if name.startswith("n_")]
    assert not drawn["kid"]["may_be_log"]
    names = [trace["uid"] for trace in drawn["fid"]["traces"]]
    assert {"sims-low", "sims-high", "sims-mean", "sims-predicted-exact-fit-", "real-against-real-1000-samples"} <= set(names)
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)
    assert len(drawn["trace"]["traces"]) == 7

    def floor(metric: str) -> str:
        return str(drawn[metric]["traces"][-1]["name"])

    assert floor("trace") == "real against real, 1000 samples"
    assert floor("kid") == "real against real, 500 samples"
    assert floor("recall") == "real against real, 700 samples (the arms: 1000)"
    assert floor("mode_shares.01") == "real against real, 1000 samples"
    assert drawn["mode_shares.01"]["label"] == "mode shares 01"
    assert drawn["mode_shares.01"]["traces"][-1]["y"][0] == 0.5
    assert drawn["mode_shares.01"]["traces"][2]["y"][0] == 0.6


def test_what_a_chain_lacks_is_seen_in_the_table_and_the_answer_is_called_preliminary(small):
    runs = small.folder / "runs/smoke"
    shutil.rmtree(runs / "sims/seed1/g004")
    (runs / "sims/seed1/g004.partial").mkdir()
    shutil.rmtree(runs / "standard/seed1/g003")
    with chdir(small.folder), owned(Path("runs/smoke/standard/seed1")):
        params = load(Path("params.yaml"))
        rows = progress(params, collect(params))
        page = report.build(params).read_text()
    assert {(row["arm"], row["seed"]): (row["state"], row["kind"]) for row in rows} == {
        ("standard", 0): ("complete", ""),
        ("standard", 1): ("running, generation 3", "running"),
        ("sims", 0): ("complete", ""),
        ("sims", 1): ("stopped or failed in generation 4", "failed"),
    }
    assert '"expected": 4' in page
    assert "Preliminary: 13 of 16 generations are finished" in page
    assert "<td>3 / 4</td>" in page


def test_an_arm_whose_chains_all_failed_at_once_is_in_the_answer_and_in_the_table(small):
    for seed in range(2):
        chain = small.folder / f"runs/smoke/sims/seed{seed}"
        shutil.rmtree(chain)
        chain.mkdir()
        (chain / "failure.txt").write_text("the loss is not finite")
    with chdir(small.folder):
        page = report.build(load(Path("params.yaml"))).read_text()
    answer, verdicts = page.partition("</section>")[0], page.partition('id="verdicts"')[2].partition("</table>")[0]
    assert "sims, seeds 0, 1 (failed, no generation)" in answer
    assert '<td>sims</td><td class="failed">failed</td><td>0 of 2</td>' in verdicts
    assert "nan" not in verdicts


@pytest.mark.parametrize("seeds", ["[0]", "[0, 1]"])
def test_the_table_has_medians_over_seeds_where_there_are_several(small, seeds):
    small.edit("seeds: [0, 1]", f"seeds: {seeds}")
    with chdir(small.folder):
        page = report.build(load(Path("params.yaml"))).read_text()
    assert ("geometric mean" in page.partition('id="verdicts"')[2].partition("</table>")[0]) == (seeds == "[0, 1]")


def test_a_chain_that_waits_or_has_not_begun_is_no_failure_and_a_failure_counts_while_its_params_are_todays(small):
    runs = small.folder / "runs/smoke"
    for folder in ("sims/seed0", "standard/seed1"):
        shutil.rmtree(runs / folder)

    def states() -> list[tuple[str, str]]:
        params = load(Path("params.yaml"))
        found = {(row["arm"], row["seed"]): (row["state"], row["kind"]) for row in progress(params, collect(params))}
        return [found["sims", 0], found["standard", 1]]

    with chdir(small.folder):
        with owned(runs / "sims/seed0", name=RUNNER):
            assert states() == [("waiting for its turn", ""), ("not started", "")]
        note_failure(load(Path("params.yaml")), Chain("sims", 0), "the loss is\nnot finite")
        assert states()[0] == ("failed: the loss is not finite", "failed")
        small.edit("guidance: 1.0", "guidance: 0.5")
        assert states()[0] == ("not started", "")
        small.edit("guidance: 0.5", "guidance: 1.0")
        (runs / "sims/seed0/failure.txt").write_text("by hand")
        assert states()[0] == ("failed: by hand", "failed")


def test_the_picture_of_samples_shows_each_arms_own_first_seed_as_the_slider_does(small):
    shutil.rmtree(small.folder / "runs/smoke/sims/seed0")
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        both, one = (figures.samples(params, rows) for rows in (results, results[results["arm"] == "standard"]))
        assert {(arm["name"], arm["seed"]) for arm in gallery(params, results)["arms"]} == {("standard", 0), ("sims", 1)}
    assert Image.open(BytesIO(both)).height > 1.8 * Image.open(BytesIO(one)).height


def test_curves_are_of_the_arms_that_have_generations_and_dvc_draws_them_where_another_has_none(small):
    curves = small.folder / "reports/smoke/curves"
    small.run("flows.cli", "report")
    assert {path.name for path in curves.iterdir()} == {"standard.csv", "sims.csv"}
    shutil.rmtree(small.folder / "runs/smoke/sims")
    (curves / "former.csv").write_text("generation,fid\n1,0.5\n")
    small.run("flows.cli", "report")
    assert {path.name for path in curves.iterdir()} == {"standard.csv"}
    with chdir(small.folder):
        (small.folder / "runs/smoke/dvc.yaml").write_text(plots(load(Path("params.yaml"))))
    small.run("dvc", "plots", "show", "runs/smoke/dvc.yaml", "--out", "shown")
    assert "standard.csv" in (small.folder / "shown/index.html").read_text()


def test_hundreds_of_modes_are_drawn_as_their_least_and_greatest(small):
    for path in small.folder.glob("runs/smoke/*/seed*/g*/metrics.json"):
        lists = {"mode_shares": [0.01, *[0.0025] * 399], "mode_spreads": [0.1, 0.2]}
        path.write_text(json.dumps(json.loads(path.read_text()) | lists))
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        results = collect(params)
        drawn = {chart["name"]: chart for chart in charts(params, results, yardsticks(params, results))}
        assert report.build(params).stat().st_size < BYTES
    assert {name for name in drawn if "mode" in name} == {
        "mode_shares.least",
        "mode_shares.greatest",
        "mode_spreads.00",
        "mode_spreads.01",
    }
    assert [drawn[f"mode_shares.{end}"]["traces"][2]["y"][0] for end in ("least", "greatest")] == [0.0025, 0.01]


def test_what_params_say_is_escaped_and_a_page_that_is_not_watched_does_not_reload_itself(small):
    small.edit("experiment: smoke", "remote: <script>alert(1)</script>\nexperiment: smoke")
    with chdir(small.folder):
        page = report.build(load(Path("params.yaml"))).read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert 'http-equiv="refresh"' not in page


def test_the_page_names_a_preset_only_where_the_params_are_its_own_and_says_which_code_it_was(small):
    git = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    for command in (["add", "models", "pipeline", "flows"], ["commit", "--quiet", "-m", "the code"]):
        subprocess.run([*git, *command], cwd=small.folder, check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], cwd=small.folder, check=True, capture_output=True, text=True).stdout
    with chdir(small.folder):
        page = report.build(load(Path("params.yaml"))).read_text()
        assert f"git checkout {commit.strip()}\n" in page
        assert "self-consuming preset" not in page
        preset = Path("presets/smoke.yaml")
        preset.write_text(Path("params.yaml").read_text())
        Path("models/samplers/heun.py").write_text("# other code")
        page = report.build(load(Path("params.yaml"))).read_text()
    assert f"git checkout {commit.strip()}   # and changes" in page
    assert "self-consuming preset smoke\n" in page


def test_the_table_has_the_arms_settings_and_the_guidance_that_was_chosen(small, monkeypatch):
    def there(params: Params, chain: Chain, length: int) -> list[Path]:  # whatever the params were that it was made with
        return [Layout(params.experiment).generation(chain, number) for number in range(1, length + 1)]

    monkeypatch.setattr("pipeline.views.report.results.finished", there)
    small.edit("sims: {loop: augmentation, strategy: sims, guidance: 1.0}", AUTO)
    small.edit("evaluation: {", "evaluation: {selection: 200, ")
    for place, path in enumerate(sorted(small.folder.glob("runs/smoke/sims/seed*/g*/metrics.json"))):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"guidance": [0.5, 1.5][place % 2]}))
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        shown = settings(params)
        results = collect(params)
        drawn = {chart["name"] for chart in charts(params, results, yardsticks(params, results))}
    assert list(shown["sims"]) == [*ALWAYS, "candidates", "hook", "zeta", "init"]
    assert list(results.columns[:9]) == ["arm", "seed", "generation", "fid", "fid_base", *ALWAYS]
    standard, sims = (results[results["arm"] == arm].iloc[1] for arm in ("standard", "sims"))
    assert (standard["loop"], standard["strategy"], standard["init"]) == ("augmentation", "standard", "scratch")
    assert (standard["zeta"], sims["zeta"]) == (1.0, 0.9)
    assert (standard["n_synthetic"], sims["n_synthetic"]) == (1000, 800)  # 400 times 2 in generation 2
    assert json.loads(sims["hook"]) == {"name": "keep-typical", "share": 0.5, "strength": 1.0}
    assert results.loc[results["arm"] == "sims", "guidance"].tolist() == [0.5, 1.5] * 4
    assert results.loc[results["arm"] == "standard", "guidance"].isna().all()
    assert "guidance" in drawn
    assert {"zeta", "n_synthetic"}.isdisjoint(drawn)


def test_a_table_of_many_arms_stands_below_the_answers_first_sentence(small, monkeypatch):
    rows = [{"arm": "<sims>", "verdict": "stable, then failed", "factor": "1.2 (1 to 2)"}]
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        assert 'id="answers"' not in report.compose(params).page
        monkeypatch.setattr(report, "answer_table", lambda params, table, costs: rows)
        monkeypatch.setattr(report, "headline", lambda params, results, table, costs: ["Of 1 arms.", "In brackets."])
        answer = report.compose(params).page.partition('class="answer"')[2].partition("</section>")[0]
    assert re.findall(r"Of 1 arms|<th>[^<]*|<td[^<]*|In brackets", answer) == [
        "Of 1 arms",
        *("<th>arm", "<th>verdict", "<th>factor"),
        *("<td>&lt;sims&gt;", '<td class="stable">stable, then failed', "<td>1.2 (1 to 2)"),
        "In brackets",
    ]

"""The report's page: its size and time, in a browser, while a run is going on, and of chains that stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import chdir
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Project, asked, until
from PIL import Image
from ruamel.yaml import YAML

from pipeline.chains import Chain
from pipeline.failures import note_failure
from pipeline.layout import RUNNER
from pipeline.ownership import owned
from pipeline.params import load
from pipeline.recipes import plots, render
from pipeline.reporting import figures, report
from pipeline.reporting.charts import charts
from pipeline.reporting.gallery import gallery
from pipeline.reporting.progress import progress
from pipeline.reporting.results import collect, yardsticks

SECONDS, BYTES = 20, 8_000_000


def grown(finished: Project, folder: Path, seeds: int, generations: int) -> Project:
    """A project with as many finished generations as asked for, all copies of the smoke experiment's, with made-up FIDs."""
    made = Project(folder)
    made.edit("seeds: [0]", f"seeds: {list(range(seeds))}")
    made.edit("generations: 2", f"generations: {generations}")
    source, target = finished.folder / "runs/smoke", folder / "runs/smoke"
    shutil.copytree(source / "data", target / "data")
    for arm, rise in (("standard", 1.04), ("sims", 1.0)):
        first, lines = source / arm / "seed0/g001", []
        params = YAML(typ="safe").load(first / "dvc.lock")["stages"]["generation"]["params"]
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
                stage = {"cmd": "made up", "deps": deps, "params": params, "outs": outs}
                (to / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"generation": stage}}))
                lines.append({"step": "train", "generation": t, "seconds": 1.0, "began": float(t), "pid": 1})
        (target / arm / "seed0/timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


@pytest.fixture(scope="module")
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
    facts = small.folder / "runs/smoke/data/data.json"
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
            assert states() == [("waiting for its turn", ""), ("not begun", "")]
        note_failure(load(Path("params.yaml")), Chain("sims", 0), "the loss is\nnot finite")
        assert states()[0] == ("failed: the loss is not finite", "failed")
        small.edit("guidance: 1.0", "guidance: 0.5")
        assert states()[0] == ("not begun", "")
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


@pytest.mark.parametrize("finish", [True, False])
def test_a_watched_report_follows_the_run_and_its_page_reloads_itself_only_meanwhile(small, finish):
    last = small.folder / "runs/smoke/sims/seed1/g004/dvc.lock"
    lock = last.read_text()
    last.unlink()
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        assert "15 of 16 generations" in process.stderr.readline()
        assert 'http-equiv="refresh"' in page_of(small).read_text()
        if finish:
            last.write_text(lock)
        else:
            os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (0 if finish else 130)
    assert ("reports/smoke/report.html" in out) == finish
    page = page_of(small).read_text()
    assert 'http-equiv="refresh"' not in page
    assert page.endswith("</html>")
    assert ("Preliminary" in page) != finish


def test_a_watched_report_is_rebuilt_at_a_failure_and_ends_when_its_run_does(small):
    chain = small.folder / "runs/smoke/sims/seed1"
    shutil.rmtree(chain / "g004")
    with owned(chain, name=RUNNER):
        process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
        assert "15 of 16 generations" in process.stderr.readline()
        (chain / "failure.txt").write_text("the loss is not finite")
        assert "15 of 16 generations" in process.stderr.readline()
        assert process.poll() is None
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "reports/smoke/report.html" in out
    page = page_of(small).read_text()
    assert "failed: the loss is not finite" in page
    assert 'http-equiv="refresh"' not in page


def test_a_watched_report_leaves_what_the_run_has_reported_as_it_is_and_knows_its_length(small):
    small.edit("generations: 4", "generations: 3")
    wanted = {Chain(arm, seed): 4 for arm in ("standard", "sims") for seed in (0, 1)}
    last = small.folder / "runs/smoke/sims/seed1/g004/dvc.lock"
    lock = last.read_text()
    last.unlink()
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        render(params, wanted)
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        with chdir(small.folder), owned(Path("runs/smoke/sims/seed1"), name=RUNNER):
            assert "15 of 16 generations" in process.stderr.readline()
            until(lambda: 'http-equiv="refresh"' in page_of(small).read_text())
            assert not page_of(small).with_name("summary.json").exists()
            last.write_text(lock)
            report.build(params, wanted)
            assert "16 of 16 generations" in process.stderr.readline()
            made = {path: path.stat().st_mtime_ns for path in page_of(small).parent.glob("*.*") if path.suffix != ".pid"}
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "reports/smoke/report.html" in out
    small.run("flows.cli", "report", "--watch", "--every", "0.2")  # one that comes too late finds nothing to do, either
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert 'http-equiv="refresh"' not in page_of(small).read_text()


def test_a_page_that_a_run_reports_while_a_preview_of_it_is_made_stays(small, monkeypatch):
    with chdir(small.folder):
        params = load(Path("params.yaml"))
        composed = report.compose(params, reload=5)

        def slowly(*_: object, **__: object) -> report.Composed:
            page_of(small).write_text("the run's own")
            return composed

        report.preview(params, None, reload=5)
        assert report.is_preview(page_of(small))
        monkeypatch.setattr(report, "compose", slowly)
        report.preview(params, None, reload=5)
    assert page_of(small).read_text() == "the run's own"


def test_a_watched_report_follows_params_that_are_edited_and_sees_a_run_that_failed_between_two_looks(small):
    shutil.rmtree(small.folder / "runs/smoke/sims/seed1/g004")
    process = small.start("flows.cli", "report", "--watch", "--every", "0.2")
    try:
        assert "15 of 16 generations" in process.stderr.readline()
        assert "waiting for a run" in process.stderr.readline()
        small.edit("generations: 4", "generations: 5")
        assert "15 of 20 generations" in process.stderr.readline()
        assert process.poll() is None
        with chdir(small.folder):
            note_failure(load(Path("params.yaml")), Chain("sims", 1), "the loss is not finite")
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "reports/smoke/report.html" in out
    page = page_of(small).read_text()
    assert "failed: the loss is not finite" in page
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
        Path("models/sampler.py").write_text("# other code")
        page = report.build(load(Path("params.yaml"))).read_text()
    assert f"git checkout {commit.strip()}   # and changes" in page
    assert "self-consuming preset smoke\n" in page


def test_a_wrong_interval_of_watching_is_bad_input(small):
    assert "--every: 0 is not allowed" in small.run("flows.cli", "report", "--watch", "--every", "0", code=2)
    assert "goes with --watch" in small.run("flows.cli", "report", "--every", "3", code=2)


def test_in_a_browser_slider_legend_switches_and_hover_work_without_a_request_or_an_error(big, browser):
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.support.ui import Select

    def find(css: str) -> Any:
        return browser.find_element("css selector", css)

    def read(css: str, what: str) -> str:
        """Of all that fits, at once: a chart that is drawn anew replaces its parts."""
        return " ".join(browser.execute_script(f"return [...document.querySelectorAll('{css}')].map((each) => each.{what})"))

    browser.get("about:blank")
    browser.get_log("performance")  # what the browser's own first page asked for
    browser.get(page_of(big).as_uri())
    until(lambda: browser.find_elements("css selector", "#chart .legendtoggle"))
    for theme, ink in (("dark", "rgb(228, 230, 233)"), ("light", "rgb(26, 29, 33)")):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        until(lambda ink=ink: ink in read("#chart .xtick text", "style.fill"))

    image = find("#grid0")
    assert find("#generation").text == "generation 100"
    browser.execute_script(
        "document.getElementById('play').click(); window.first = document.getElementById('generation').textContent"
    )
    assert browser.execute_script("return window.first") == "generation 1"
    find("#play").click()  # stop
    find("#slider").send_keys(Keys.END)
    assert browser.execute_script("return sessionStorage.getItem('smoke: generation')") is None  # it follows the newest
    browser.refresh()
    until(lambda: browser.find_elements("css selector", "#chart .legendtoggle"))
    image = find("#grid0")
    assert find("#generation").text == "generation 100"
    before = image.get_attribute("alt")
    assert image.get_property("naturalWidth") > 0
    find("#slider").send_keys(Keys.HOME)
    assert find("#generation").text == "generation 1"
    assert image.get_attribute("alt") != before
    assert image.get_attribute("alt") == "samples of standard, generation 1"
    assert until(lambda: image.get_property("naturalWidth")) > 0

    def curves() -> int:
        return len(browser.find_elements("css selector", "#chart .scatterlayer .trace"))

    drawn = curves()
    ActionChains(browser).move_to_element(find("#chart .legendtoggle")).click().perform()
    until(lambda: curves() == drawn - 3)  # the mean and both edges of its band
    box = find("#curves input[value=standard-mean]")
    assert not box.is_selected()
    box.send_keys(Keys.SPACE)
    until(lambda: curves() == drawn)
    box.send_keys(Keys.SPACE)
    until(lambda: curves() == drawn - 3)
    time.sleep(0.5)  # a second click at once would be a double click
    ActionChains(browser).move_to_element(find("#chart .legendtoggle")).click().perform()
    until(lambda: curves() == drawn)
    assert box.is_selected()

    def axis() -> str:
        return str(browser.execute_script("return document.getElementById('chart').layout.yaxis.type"))

    ticks = read("#chart .ytick", "textContent")
    assert axis() == "log"
    find("#log").click()
    assert axis() == "linear"
    until(lambda: read("#chart .ytick", "textContent") != ticks)

    ActionChains(browser).move_to_element(find("#chart .nsewdrag")).perform()
    shown = r"standard : [\d.]+ \([\d.]+ to [\d.]+, 3 seeds\)"
    until(lambda: re.search(shown, read("#chart .hoverlayer", "textContent")))

    ActionChains(browser).move_to_element(find("#chart .legendtoggle")).click().perform()
    until(lambda: curves() == drawn - 3)
    browser.refresh()
    until(lambda: browser.find_elements("css selector", "#chart .legendtoggle"))
    assert (axis(), curves()) == ("linear", drawn - 3)
    assert not find("#curves input[value=standard-mean]").is_selected()
    assert find("#generation").text == "generation 1"
    assert all(key.startswith("smoke: ") for key in browser.execute_script("return Object.keys(sessionStorage)"))
    browser.execute_script("sessionStorage.setItem('smoke: generation', '6')")  # one that is not among the pictures now
    browser.refresh()
    until(lambda: browser.find_elements("css selector", "#chart .legendtoggle"))
    assert find("#generation").text == "generation 5"

    Select(find("#metric")).select_by_visible_text("trace ratio")
    until(lambda: read("#chart .ytitle", "textContent") == "trace ratio")

    closed = "details:not(#moving)"
    for event, opened in (("beforeprint", True), ("afterprint", False)):
        browser.execute_script(f"dispatchEvent(new Event('{event}'))")
        assert find(closed).get_property("open") == opened
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    printed = [image for image in browser.find_elements("css selector", "img.printed") if image.is_displayed()]
    assert len(printed) >= 3  # FID, the other metrics, samples
    assert min(image.get_property("naturalWidth") for image in printed) > 500

    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []
    assert asked(browser) == {page_of(big).as_uri()}

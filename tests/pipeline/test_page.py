"""The report's page in a real browser."""

import re
import time
from typing import Any

from conftest import asked, until
from grown import page_of


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

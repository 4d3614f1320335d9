"""A result as one file, opened from the disk by a real browser without a network."""

import pytest
from axe import axe_script, broken_rules
from browser_page import IN_BROWSER, By, Keys, Page

from errseg.__main__ import main

pytestmark = IN_BROWSER
NASTY = "<img src=x onerror=alert(1)>"
WORDS = f"temple | pagoda, tree, sky, lake | water, {NASTY}"
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
ONLINE = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, odd_photos):
    """The command's file of a phone's photo, in a folder whose name is odd in an address."""
    folder = tmp_path_factory.mktemp("travel") / "résultat #1 & 100%"
    options = ["--kept-classes", "4", "--input-size", "256", "--save", "html", "--out", str(folder)]
    assert main(["segment", str(odd_photos["phone.jpg"]), "--classes", WORDS, *options]) == 0
    return folder / "result.html"


@pytest.fixture
def page(browser, saved):
    """The file in the browser; nothing may stand in the console at the end."""
    browser.get("about:blank")
    browser.get_log("browser")  # of the test before
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", OFFLINE)
    page = Page(browser, saved.as_uri())
    page.set_size(1280, 900)
    browser.get(page.url)
    page.wait(lambda: page.find(".errseg-legend li") and page.find(".errseg-maps canvas"))
    yield page
    said = browser.get_log("browser")
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", ONLINE)
    browser.get("about:blank")
    assert said == []  # neither an error nor anything that the policy refused


def test_a_pixel_is_read_and_a_class_hidden(page):
    assert "sky" in page.seen()
    page.point(0.5, 0.03)
    page.wait(lambda: page.text("#errseg-masks .errseg-readout").startswith("sky 0."))
    assert "votes: sky" in page.text("#errseg-masks .errseg-readout")
    page.run("window.scrollTo(0, 0)")
    before = page.picture()
    [row] = [row for row in page.find(".errseg-legend li") if "sky" in row.text]
    row.find_element(By.CSS_SELECTOR, ".toggle").click()
    page.wait(lambda: page.picture() != before)
    assert "sky" not in page.text(".errseg-plates")
    field = page.find("#errseg-masks select")[0]
    hidden = page.picture()
    field.send_keys("tree")  # the probability map
    page.wait(lambda: page.picture() not in (before, hidden))


def test_all_of_the_result_is_there(page):
    assert "CRM kept 4 of 5" in page.text("#errseg-ranking h2")
    assert "P = 4: dropped from here on" in page.text("#errseg-ranking")
    assert len(page.find("#errseg-attention canvas")) >= 4
    assert len(page.find("#errseg-attention select")[0].text.split("\n")) == 1 + 4
    page.find(".errseg-settings summary")[0].click()
    assert "python -m errseg segment phone.jpg" in page.text(".errseg-settings")
    assert "--kept-classes 4" in page.text(".errseg-settings")


def test_attention_is_live_and_what_the_file_does_not_hold_is_said(page):
    page.wait(lambda: " on " in page.text(".errseg-said"))
    before = page.picture("attention")
    page.point(0.9, 0.9)
    page.wait(lambda: page.picture("attention") != before)
    page.point(0.9, 0.9, click=True)
    page.wait(lambda: page.find(".errseg-cross.pinned"))
    for option in page.find("#errseg-attention select:first-of-type option")[1:5]:  # all kept
        name = option.text
        option.click()
        page.wait(lambda name=name: f"on {name} (" in page.text(".errseg-said"))
    page.find("#errseg-masks select")[0].send_keys("where")  # on the large picture too
    page.wait(lambda: page.text(".errseg-looks").startswith("Its attention: "))
    assert not page.find("#errseg-standalone-note:not([hidden])")
    page.find("#errseg-ranking .errseg-bar")[0].send_keys(Keys.ENTER)
    note = page.wait(lambda: page.find("#errseg-standalone-note:not([hidden])"))[0]
    assert "in the attention panel" in note.text


def test_words_stay_words_and_nothing_is_fetched(page):
    assert NASTY in page.text("#errseg-ranking")
    assert not page.find("img")
    assert page.requests() == 0
    refused = page.browser.execute_async_script(
        "const done = arguments[0];"
        "fetch('https://example.org').then(() => done(false), () => done(true))"
    )
    assert refused
    said = page.browser.get_log("browser")
    assert any("Content Security Policy" in entry["message"] for entry in said)


@pytest.mark.parametrize("width", [390, 768, 1366])
def test_it_fits_every_width(page, width):
    page.set_size(width, 800)
    assert page.run("return document.documentElement.scrollWidth") <= width
    canvas = page.find("#errseg-masks canvas")[0].rect
    assert canvas["width"] / canvas["height"] == pytest.approx(320 / 213, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_breaks_no_rule_of_accessibility(page, scheme):
    axe = axe_script()
    wanted = {"name": "prefers-color-scheme", "value": scheme}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wanted]})
    page.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    broken = broken_rules(page, axe)
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert not broken, "\n".join(broken)

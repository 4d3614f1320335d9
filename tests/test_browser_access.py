"""The page for everybody: keyboard, small screens, dark and light, no network."""

import time

import pytest
from browser_page import EXAMPLES, IN_BROWSER, Keys

pytestmark = IN_BROWSER


def test_the_keyboard_is_enough(page):
    page.open().finished()
    before = page.state()
    button = page.find("#errseg-examples button")[3]
    page.run("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    page.wait(lambda: page.state() != before)
    field = page.find("#errseg-classes textarea")[0]
    page.wait(lambda: field.get_property("value") == EXAMPLES[3]["classes"])
    page.settle()
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("cup, table")
    field.send_keys(Keys.SHIFT, Keys.ENTER)
    page.wait(lambda: "of 2" in page.text("#errseg-ranking h2"))
    page.settle()
    before = page.sent("attention")
    canvas = page.find("#errseg-masks canvas")[0]
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert "votes:" in page.text("#errseg-masks .errseg-readout")
    canvas.send_keys(Keys.ENTER)
    page.wait(lambda: page.sent("attention") != before)
    page.settle()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_everything_without_sideways_scrolling(page, theme):
    page.set_size(390, 844)
    page.open(f"?__theme={theme}").finished()
    time.sleep(0.5)  # the picture is being laid out
    assert page.run("return document.documentElement.scrollWidth") == 390
    for css in ("photo", "run", "masks", "ranking", "attention"):
        box = page.find(f"#errseg-{css}")[0].rect
        assert box["width"] > 250
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_the_page_needs_nothing_from_elsewhere(page):
    page.open().finished()
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith((page.url, "data:", "blob:"))] == []

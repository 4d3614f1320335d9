"""The page in a real browser, as a visitor uses it."""

import json
import shutil
import time
from pathlib import Path

import pytest
from app_server import start_app

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is absent"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 60
EXAMPLES = json.loads(
    (Path(__file__).resolve().parent.parent / "examples" / "examples.json").read_text()
)


class Page:
    """What a visitor sees and does."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url

    def open(self, query=""):
        self.browser.get(self.url + query)
        self.wait(lambda: self.find("#errseg-run"))
        return self

    def find(self, css):
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def text(self, css):
        return " ".join(element.text for element in self.find(css))

    def wait(self, condition):
        return WebDriverWait(self.browser, SECONDS, 0.1).until(lambda _: condition())

    def type(self, css, text):
        field = self.find(css)[0]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)
        field.send_keys(Keys.TAB)

    def type_classes(self, text):
        self.type("#errseg-classes textarea", text)

    def press_segment(self):
        """Press the button and wait until the answer, or a message, is there."""
        before = self.state()
        self.find("#errseg-run")[0].click()
        self.wait(lambda: self.state() != before)
        self.wait(
            lambda: not self.find("#errseg-overlay .generating, #errseg-overlay .progress-text")
        )

    def state(self):
        return self.text(".errseg-timing"), self.text("#errseg-message"), self.overlay()

    def overlay(self):
        images = self.find("#errseg-overlay img")
        return images[0].get_attribute("src") if images else None

    def legend(self):
        return [row.text for row in self.find(".errseg-legend tbody th")]

    def finished(self):
        return self.wait(lambda: self.find(".errseg-legend tbody tr") and self.overlay())

    def set_size(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser):
    page = Page(browser, start_app())
    page.set_size(1280, 900)
    browser.get_log("browser")  # of the test before
    yield page
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors


def test_the_page_opens_on_a_finished_example(page):
    page.open().finished()
    words = {word.split("|")[0].strip() for word in EXAMPLES[0]["classes"].split(",")}
    assert set(page.legend()) <= words
    assert f"of {len(words)}" in page.text("#errseg-ranking h2")
    assert len(page.find("#errseg-examples button img[alt]")) == len(EXAMPLES)
    assert page.find("#errseg-photo img")
    assert "on CPU" in page.text(".errseg-timing")


def test_an_example_is_one_click_and_segment_answers_again(page):
    page.open().finished()
    first = page.overlay()
    index = 1
    page.find("#errseg-examples button")[index].click()
    page.wait(lambda: page.overlay() != first)
    field = page.find("#errseg-classes textarea")[0]
    assert field.get_property("value") == EXAMPLES[index]["classes"]
    page.type_classes("cat, dog")
    page.press_segment()
    page.wait(lambda: "CRM kept 2 of 2" in page.text("#errseg-ranking"))
    assert set(page.legend()) <= {"cat", "dog"}


def test_words_that_are_code_stay_words(page):
    page.open().finished()
    page.type_classes("<img src=x onerror=alert(1)>, ${1+1}, {{value}}, <b>sky</b>")
    page.press_segment()
    names = [name.text for name in page.find("#errseg-ranking .name")]
    assert set(names) == {"<img src=x onerror=alert(1)>", "${1+1}", "{{value}}", "<b>sky</b>"}
    assert not page.find(".errseg-legend img, .errseg-legend b")


def test_p_draws_a_line_and_the_threshold_leaves_pixels_without_a_class(page):
    page.open().finished()
    numbers = page.find("#errseg-question input[type=number]")
    for field, value in zip(numbers, ("2", "1", "1"), strict=True):
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value, Keys.TAB)
    page.press_segment()
    page.wait(lambda: "CRM kept 2 of 6" in page.text("#errseg-ranking h2"))
    assert "P = 2: dropped from here on" in page.text(".errseg-line")
    assert len(page.find(".errseg-bar.dropped")) == 4
    assert page.legend()[0] == "none of these"


def test_a_refusal_is_a_sentence_and_loses_nothing(page):
    page.open().finished()
    shown = page.overlay()
    page.type_classes(" ")
    page.press_segment()
    assert page.text("#errseg-message") == (
        "No class was given; type at least one word, such as: dog, grass, sky."
    )
    assert page.overlay() == shown
    assert page.legend()
    page.type_classes("sky, tree")
    page.press_segment()
    page.wait(lambda: page.text("#errseg-message") == "")


def test_a_text_file_named_jpg_is_refused_politely(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    page.open().finished()
    shown = page.overlay()
    page.find("#errseg-photo button[aria-label='Remove Image']")[0].click()
    field = page.wait(lambda: page.find("#errseg-photo input[type=file]"))[0]
    field.send_keys(str(tmp_path / "notes.jpg"))
    page.wait(lambda: page.find("#errseg-photo img"))
    page.press_segment()
    assert page.text("#errseg-message").startswith("'notes.jpg' is not a photo that can be read")
    assert page.overlay() == shown


def test_the_keyboard_is_enough(page):
    page.open().finished()
    before = page.state()
    button = page.find("#errseg-examples button")[3]
    page.browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    page.wait(lambda: page.state() != before)
    field = page.find("#errseg-classes textarea")[0]
    page.wait(lambda: field.get_property("value") == EXAMPLES[3]["classes"])
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("cup, table")
    field.send_keys(Keys.SHIFT, Keys.ENTER)
    page.wait(lambda: "of 2" in page.text("#errseg-ranking h2"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_everything_without_sideways_scrolling(page, theme):
    page.set_size(390, 844)
    page.open(f"?__theme={theme}").finished()
    time.sleep(0.5)  # the picture is being laid out
    width = page.browser.execute_script("return document.documentElement.scrollWidth")
    assert width == 390
    for css in ("#errseg-photo", "#errseg-run", "#errseg-overlay", "#errseg-legend"):
        box = page.find(css)[0].rect
        assert box["width"] > 250
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_the_page_needs_nothing_from_elsewhere(page):
    page.open().finished()
    loaded = page.browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert loaded
    assert [name for name in loaded if not name.startswith((page.url, "data:", "blob:"))] == []

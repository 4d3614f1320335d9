"""The page in a real browser, as a visitor uses it."""

import io
import json
import shutil
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
from app_server import start_app
from PIL import Image

import errseg
from errseg.stored_config import advised_threshold
from errseg.visualize import NONE_NAME

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
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
SECONDS = 120
ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = json.loads((ROOT / "examples" / "examples.json").read_text())


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
        # Panels are replaced whole, also while they are being read, or aren't there yet.
        passing = [StaleElementReferenceException, IndexError]
        waiting = WebDriverWait(self.browser, SECONDS, 0.1, passing)
        return waiting.until(lambda _: condition())

    def type(self, css, text):
        field = self.find(css)[0]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)
        field.send_keys(Keys.TAB)

    def type_classes(self, text):
        self.type("#errseg-classes textarea", text)

    def set_number(self, css, value):
        self.type(f"{css} input[type=number]", str(value))

    def press_segment(self):
        """Press the button and wait until the answer, or a message, is there."""
        before = self.state()
        self.find("#errseg-run")[0].click()
        self.wait(lambda: self.state() != before)
        self.settle()

    def state(self):
        return self.text(".errseg-timing"), self.text("#errseg-message"), self.sent("masks")

    def sent(self, panel):
        """What the server sent to a panel last, as a short text that tells it from others."""
        return self.run(
            "const sent = document.querySelector(`#errseg-${arguments[0]} [data-view]`);"
            "return sent && sent.dataset.view.length + sent.dataset.view.slice(-300)",
            panel,
        )

    def picture(self, panel="masks"):
        return self.run(
            "return document.querySelector(`#errseg-${arguments[0]} canvas`)?.toDataURL()", panel
        )

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def requests(self):
        return self.run("return performance.getEntriesByType('resource').length")

    def value(self, name):
        """What stands in a text field."""
        field = self.find(f"#errseg-{name} textarea, #errseg-{name} input")[0]
        return field.get_property("value")

    def legend(self):
        return [row.text for row in self.find(".errseg-legend .name")]

    def seen(self):
        """The classes that some pixel has."""
        return {*self.legend()} - {NONE_NAME}

    def finished(self):
        self.wait(lambda: self.find(".errseg-legend li") and self.find(".errseg-maps canvas"))
        self.settle()
        return self

    def settle(self):
        """Wait until the server has sent all of an answer."""
        busy = "#errseg-masks .wrap:not(.hide), #errseg-attention .wrap:not(.hide)"
        self.wait(lambda: not self.find(busy))

    def tab(self, name):
        next(b for b in self.find("#errseg-tabs button[role=tab]") if b.text == name).click()

    def point(self, x, y, click=False):
        """Point at a share of the masks' canvas, or click it."""
        canvas = self.find("#errseg-masks canvas")[0]
        self.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
        box = canvas.rect
        action = ActionChains(self.browser).move_to_element_with_offset(
            canvas, round((x - 0.5) * box["width"]), round((y - 0.5) * box["height"])
        )
        (action.click() if click else action).perform()

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
    browser.get("about:blank")
    assert not errors


def test_the_page_opens_on_a_finished_example(page):
    page.open().finished()
    words = {word.split("|")[0].strip() for word in EXAMPLES[0]["classes"].split(",")}
    assert page.seen() <= words
    assert f"of {len(words)}" in page.text("#errseg-ranking h2")
    assert len(page.find("#errseg-examples button img[alt]")) == len(EXAMPLES)
    assert page.find("#errseg-photo img")
    assert "on CPU" in page.text(".errseg-timing")
    assert len(page.find(".errseg-maps canvas")) == 3  # SFM, cost at strides 16 and 32


def test_an_example_is_one_click_and_segment_answers_again(page):
    page.open().finished()
    first = page.sent("masks")
    index = 1
    page.find("#errseg-examples button")[index].click()
    page.wait(lambda: page.sent("masks") != first)
    field = page.find("#errseg-classes textarea")[0]
    assert field.get_property("value") == EXAMPLES[index]["classes"]
    page.settle()
    page.type_classes("cat, dog")
    page.press_segment()
    page.wait(lambda: "CRM kept 2 of 2" in page.text("#errseg-ranking"))
    assert page.seen() <= {"cat", "dog"}


def test_words_that_are_code_stay_words(page):
    page.open().finished()
    page.type_classes("<img src=x onerror=alert(1)>, ${1+1}, {{value}}, <b>sky</b>")
    page.press_segment()
    names = [name.text for name in page.find("#errseg-ranking .name")]
    assert set(names) == {"<img src=x onerror=alert(1)>", "${1+1}", "{{value}}", "<b>sky</b>"}
    page.find("#errseg-ranking .errseg-bar")[0].click()
    page.wait(lambda: page.find("#errseg-cost + .errseg-root canvas, #errseg-cost canvas"))
    for css in ("masks", "ranking", "attention", "cost", "lint"):
        assert not page.find(f"#errseg-{css} img[src=x], #errseg-{css} b b, #errseg-{css} .name b")


def test_hovering_reads_the_network_s_answer_without_asking_the_server(page):
    words = EXAMPLES[0]["classes"]
    photo = ROOT / "examples" / EXAMPLES[0]["file"]
    predictor = errseg.Predictor(errseg.load_model("errseg-lite"))
    result = predictor(photo, words, threshold=0.0)
    page.open("?threshold=0").finished()
    before = page.requests()
    height, width = result.labels.shape
    for x, y in ((0.25, 0.5), (0.7, 0.2), (0.8, 0.9)):
        page.point(x, y)
        said = page.wait(lambda: page.text("#errseg-masks .errseg-readout") or None)
        name = said.split(" · ")[0].rsplit(" ", 1)[0]
        row, column = int(y * height), int(x * width)
        nearby = result.labels[row - 4 : row + 5, column - 4 : column + 5]
        assert name in {result.classes[index] for index in nearby.ravel()}
        ranks, rows, columns = result.ranking.shape
        votes = result.ranking[:, int(y * rows), int(x * columns)]
        assert said.split("votes: ")[1].count(",") == ranks - 1
        assert set(said.split("votes: ")[1].split(", ")) <= set(result.classes)
        assert len(votes) == ranks
    assert page.requests() == before


def test_classes_are_hidden_and_shown_alone_without_asking_the_server(page):
    page.open().finished()
    before, shown = page.requests(), page.picture()
    toggle = page.find(".errseg-legend button.toggle")[0]
    name = page.legend()[0]
    toggle.click()
    hidden = page.picture()
    assert hidden != shown
    assert name not in [plate.text for plate in page.find(".errseg-plates span")]
    assert page.find(".errseg-legend .toggle")[0].get_attribute("aria-pressed") == "false"
    page.find(".errseg-legend .toggle")[0].click()
    assert page.picture() == shown
    page.find(".errseg-legend .solo")[0].click()
    assert {plate.text for plate in page.find(".errseg-plates span")} <= {name}
    page.find(".errseg-legend .solo")[0].click()
    select = page.find("#errseg-masks select")[0]
    select.find_elements(By.CSS_SELECTOR, "optgroup option")[0].click()
    assert page.picture() not in (shown, hidden)
    assert page.requests() == before


def test_a_click_asks_for_attention_and_layers_and_heads_are_at_hand(page):
    page.open().finished()
    before = page.sent("attention")
    page.point(0.5, 0.25, click=True)
    page.wait(lambda: page.sent("attention") != before)
    page.settle()
    x, y = (int(n.get_property("value")) for n in page.find(".errseg-query input"))
    assert abs(x - 320) < 4
    assert abs(y - 107) < 4
    requests, mean = page.requests(), page.picture("attention")
    selects = page.find("#errseg-attention select")
    head = selects[2].find_elements(By.CSS_SELECTOR, "option")
    assert head[0].text == "mean"
    head[1].click()
    assert page.picture("attention") != mean
    selects[1].find_elements(By.CSS_SELECTOR, "option")[0].click()
    assert page.requests() == requests
    page.find("#errseg-attention summary")[0].click()
    assert "with CRM" in page.text(".errseg-share")
    before = page.sent("attention")
    page.find(".errseg-check input")[0].click()
    page.wait(lambda: page.sent("attention") != before)
    page.wait(lambda: "without" in page.text(".errseg-share"))


def test_p_and_k_run_again_on_release_and_draw_the_line(page):
    page.open().finished()
    before = page.sent("ranking")
    page.set_number("#errseg-kept", 2)
    page.wait(lambda: page.sent("ranking") != before)
    page.wait(lambda: "CRM kept 2 of 6" in page.text("#errseg-ranking h2"))
    page.settle()
    assert "P = 2: dropped from here on" in page.text(".errseg-line")
    assert len(page.find(".errseg-bar.dropped")) == 4
    before = page.sent("masks")
    page.set_number("#errseg-threshold", 1)
    page.wait(lambda: page.sent("masks") != before)
    page.wait(lambda: page.legend() == [NONE_NAME])
    page.settle()


def test_the_page_starts_at_the_model_s_own_threshold_and_says_it_everywhere(page):
    own = advised_threshold("errseg-lite")
    page.open().finished()
    field = page.find("#errseg-threshold input[type=number]")[0]
    assert float(field.get_property("value")) == own
    page.find("#errseg-share button.label-wrap")[0].click()
    page.wait(lambda: page.find("#errseg-make")[0].is_displayed())
    page.find("#errseg-make")[0].click()
    page.wait(lambda: page.find("#errseg-files a[href]"))
    assert f"--threshold {own:g}" in page.value("command")
    assert f"&threshold={own:g}" in page.value("link")


def test_the_ranking_is_searched_and_tabled_and_shows_dropped_classes(page):
    page.open("?kept=2").finished()
    field = page.find("#errseg-ranking input[type=search]")[0]
    name = page.find("#errseg-ranking .errseg-bar.dropped .name")[0].text
    field.send_keys(name[:4].upper())
    rows = [row.text for row in page.find("#errseg-ranking .errseg-bar .name")]
    assert name in rows
    assert len(rows) < 6
    field.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    page.find("#errseg-ranking .errseg-kind")[0].click()
    heads = [head.text for head in page.find("#errseg-ranking thead th")]
    assert heads[:6] == ["#", "class", "score", "rank 1", "rank 2", "rank 3"]
    assert len(page.find("#errseg-ranking tbody tr")) == 6
    assert len(page.find("#errseg-ranking tbody tr.dropped")) == 4
    page.find("#errseg-ranking tbody tr.dropped button")[0].click()
    page.wait(lambda: f"Cost maps of {name}" in page.text("#errseg-cost"))
    assert len(page.find("#errseg-cost canvas")) == 2


def test_words_are_loaded_appended_and_looked_at(page):
    page.open().finished()
    page.type_classes("sofa, couch, sky")
    page.wait(lambda: "sofa and couch" in page.text("#errseg-lint"))
    buttons = {button.text: button for button in page.find("#errseg-vocabulary button")}
    buttons["+ background"].click()
    page.wait(lambda: "15 classes" in page.text("#errseg-lint"))
    buttons["Load"].click()
    page.wait(lambda: page.text("#errseg-lint").startswith("20 classes"))


def test_a_refusal_is_a_sentence_and_loses_nothing(page):
    page.open().finished()
    shown = page.sent("masks")
    page.type_classes(" ")
    page.press_segment()
    assert page.text("#errseg-message") == (
        "No class was given; type at least one word, such as: dog, grass, sky."
    )
    assert page.sent("masks") == shown
    assert page.legend()
    page.type_classes("sky, tree")
    page.press_segment()
    page.wait(lambda: page.text("#errseg-message") == "")


def test_a_text_file_named_jpg_is_refused_politely(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    page.open().finished()
    shown = page.sent("masks")
    page.find("#errseg-photo button[aria-label='Remove Image']")[0].click()
    field = page.wait(lambda: page.find("#errseg-photo input[type=file]"))[0]
    field.send_keys(str(tmp_path / "notes.jpg"))
    page.wait(lambda: page.find("#errseg-photo img"))
    page.press_segment()
    assert page.text("#errseg-message").startswith("'notes.jpg' is not a photo that can be read")
    assert page.sent("masks") == shown


def test_a_result_is_taken_away(page):
    page.open("?example=cat&classes=cat,+sky&kept=1").finished()
    page.find("#errseg-share button.label-wrap")[0].click()
    page.wait(lambda: page.find("#errseg-make")[0].is_displayed())
    page.find("#errseg-make")[0].click()
    links = page.wait(lambda: page.find("#errseg-files a[href]"))
    files = {}
    for link in {link.get_attribute("href") for link in links}:
        with urllib.request.urlopen(link, timeout=30) as answer:
            files[link.rsplit("/", 1)[1]] = answer.read()
    assert {"figure.png", "overlay.png", "mask.png", "result.json"} <= set(files)
    for name in ("figure.png", "overlay.png", "mask.png"):
        with Image.open(io.BytesIO(files[name])) as picture:
            assert not picture.getexif()
            assert (picture.size == (451, 300)) == (name != "figure.png")
    described = json.loads(files["result.json"])
    assert [entry["kept"] for entry in described["classes"]].count(True) == 1
    command, link = page.value("command"), page.value("link")
    assert "--kept-classes 1" in command
    assert link.startswith("?example=cat&classes=cat%2C+sky&kept=1")


def test_a_link_restores_the_view(page):
    given = "classes=cup,+spoon,+table&kept=2&votes=1&threshold=0.5&expand=0&model=errseg-lite"
    page.open(f"?example=coffee&{given}")
    # The stored opening stands there first.
    page.wait(lambda: "CRM kept 2 of 3" in page.text("#errseg-ranking h2"))
    page.finished()
    field = page.find("#errseg-classes textarea")[0]
    assert field.get_property("value") == "cup, spoon, table"
    values = [
        page.find(f"#errseg-{name} input[type=number]")[0].get_property("value")
        for name in ("kept", "votes", "threshold")
    ]
    assert values == ["2", "1", "0.5"]
    page.find("#errseg-advanced button")[0].click()
    expand = page.wait(lambda: page.find("#errseg-expand input"))[0]
    assert not expand.get_property("checked")
    page.open("?model=errseg-huge")
    page.wait(lambda: "The Hub can't be asked" in page.text("#errseg-message"))
    page.open("?example=nowhere")
    page.wait(lambda: "no such example" in page.text("#errseg-message"))
    page.finished()


def test_a_batch_gives_a_zip_and_names_the_bad_file(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    page.open().finished()
    page.tab("Batch")
    field = page.wait(lambda: page.find("#errseg-batch-photos input[type=file]"))[0]
    field.send_keys(f"{ROOT / 'examples' / 'cat.jpg'}\n{tmp_path / 'notes.jpg'}")
    page.wait(lambda: "notes" in page.text("#errseg-batch-photos"))
    page.find("#errseg-batch-run")[0].click()
    link = page.wait(lambda: page.find("#errseg-batch-zip a[href]"))[0]
    assert "is not a photo that can be read" in page.text("#errseg-batch-outcomes")
    with urllib.request.urlopen(link.get_attribute("href"), timeout=30) as answer:
        names = zipfile.ZipFile(io.BytesIO(answer.read())).namelist()
    assert "01_cat/mask.png" in names


def test_two_settings_and_a_sweep(page):
    page.open().finished()
    page.tab("Compare")
    page.wait(lambda: page.find("#errseg-compare-run")[0].is_displayed())
    page.find("#errseg-compare-run")[0].click()
    page.wait(lambda: "of the pixels" in page.text("#errseg-compare-outcome"))
    page.wait(lambda: len(page.find("#errseg-compare img")) >= 2)
    page.tab("Sweep")
    page.wait(lambda: page.find("#errseg-sweep-run")[0].is_displayed())
    page.type("#errseg-sweep-values textarea, #errseg-sweep-values input", "1, 3")
    page.find("#errseg-sweep-run")[0].click()
    page.wait(lambda: len(page.find("#errseg-sweep-table tbody tr")) == 2)
    page.wait(lambda: len(page.find("#errseg-sweep img")) >= 2)


def test_two_visitors_see_only_their_own(page):
    page.open("?example=cat&classes=cat,+dog").finished()
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    try:
        page.open("?example=coffee&classes=cup,+spoon").finished()
        assert page.seen() <= {"cup", "spoon"}
        page.browser.switch_to.window(first)
        before = page.sent("attention")
        page.point(0.5, 0.5, click=True)
        page.wait(lambda: page.sent("attention") != before)
        names = page.find("#errseg-attention select")[0].text
        assert "cat" in names
        assert "cup" not in names
    finally:
        page.browser.switch_to.window(
            next(handle for handle in page.browser.window_handles if handle != first)
        )
        page.browser.close()
        page.browser.switch_to.window(first)


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

"""A real browser, and the page in it as a visitor sees and uses it."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from errseg.pictures.overlay import NONE_NAME

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from lasting_elements import Browser  # noqa: E402
from selenium.common.exceptions import (  # noqa: E402
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
IN_BROWSER = [
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
WATCH = """
window.unanswered = new Set(); // questions in the queue, by number; or how one is being asked
window.messages = []; // lengths of what the server sent
const ask = window.fetch, answered = new Set();
// A moment later Gradio has shown it.
const shown = (number) => setTimeout(() => window.unanswered.delete(number), 100);
window.fetch = async (...given) => {
  const address = String(given[0]?.url ?? given[0]);
  if (address.includes('/queue/join')) {
    window.unanswered.add(given);
    try {
      const answer = await ask(...given);
      const {event_id} = await answer.clone().json();
      if (event_id) window.unanswered.add(event_id);
      if (answered.has(event_id)) shown(event_id); // its answer was faster than its number
      return answer;
    } finally {
      window.unanswered.delete(given);
    }
  }
  const answer = await ask(...given);
  if (!address.includes('/queue/data')) return answer;
  const [theirs, ours] = answer.body.tee();
  (async () => {
    let text = '';
    for await (const part of ours.pipeThrough(new TextDecoderStream())) {
      const ended = (text + part).split('\\n\\n');
      text = ended.pop();
      for (const message of ended) {
        window.messages.push(message.length);
        const done = /^data: {"msg":"process_completed","event_id":"(\\w+)"/.exec(message)?.[1];
        if (done) answered.add(done), shown(done);
      }
    }
  })().catch(() => window.unanswered.clear());
  return new Response(theirs, {headers: answer.headers, status: answer.status});
};
"""
"""Notes on a page what the server is asked and what it sends."""
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
        return " ".join(self.texts(css))

    def texts(self, css):
        """What can be seen of all elements at one moment: a page changes while it is read."""
        return self.browser.texts(css)

    def wait(self, condition):
        # Panels are replaced whole, also while they are being read, or aren't there yet.
        passing = [StaleElementReferenceException, IndexError]
        waiting = WebDriverWait(self.browser, SECONDS, 0.1, passing)
        try:
            return waiting.until(lambda _: condition())
        except TimeoutException as error:
            shown = self.text("body")[:3000]
            raise AssertionError(f"in vain, at {self.browser.current_url}: {shown}") from error

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

    def data(self, panel):
        """What a panel was sent last, which may be what changed of what it draws."""
        sent = json.loads(
            self.run(
                "return document.querySelector(`#errseg-${arguments[0]} [data-view]`).dataset.view",
                panel,
            )
        )
        return {**sent, **sent.get("changes", {})}

    def show(self, panel, data):
        """Give a panel other data to draw, as if the server had sent them."""
        self.run(
            "document.querySelector(`#errseg-${arguments[0]} [data-view]`)"
            ".dataset.view = arguments[1]",
            panel,
            json.dumps(data),
        )

    def picture(self, panel="masks"):
        return self.run(
            "return document.querySelector(`#errseg-${arguments[0]} canvas`)?.toDataURL()", panel
        )

    def set_photo(self, path):
        """Choose another photo; the page asks about it by itself."""
        before = self.photo()
        self.find("#errseg-picture input[type=file]")[0].send_keys(str(path))
        self.wait(lambda: self.photo() not in (before, None))

    def photo(self):
        """The address of the photo that is asked about."""
        return self.run("return window.errsegHelpers.photoInBox()")

    def shared_files(self):
        """Ask for the files of the result that is shown: name -> bytes."""
        if not any(button.is_displayed() for button in self.find("#errseg-make")):
            self.find("#errseg-share button.label-wrap")[0].click()
            self.wait(lambda: self.find("#errseg-make")[0].is_displayed())
        self.find("#errseg-make")[0].click()
        links = self.wait(lambda: self.find("#errseg-files a[href]"))
        files = {}
        for link in {link.get_attribute("href") for link in links}:
            with urllib.request.urlopen(link, timeout=30) as answer:
                files[link.rsplit("/", 1)[1]] = answer.read()
        return files

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def requests(self):
        """How often the server was asked; Gradio's own scripts may come late."""
        return self.run(
            "return performance.getEntriesByType('resource')"
            ".filter((entry) => !entry.name.includes('/assets/')).length"
        )

    def value(self, name):
        """What stands in a text field."""
        field = self.find(f"#errseg-{name} textarea, #errseg-{name} input")[0]
        return field.get_property("value")

    def chosen(self, css):
        """What a list of choices is set to."""
        return self.run("return arguments[0].selectedOptions[0].text", self.find(css)[0])

    def legend(self):
        return self.texts(".errseg-legend .name")

    def seen(self):
        """The classes that some pixel has."""
        return {*self.legend()} - {NONE_NAME}

    def finished(self):
        """Wait for the opening, and until the page has asked what it asks by itself."""
        self.wait(
            lambda: self.run(
                "return performance.getEntriesByType('resource')"
                ".some((entry) => entry.name.includes('/queue/data'))"
            )
        )
        self.wait(lambda: self.find(".errseg-legend li") and self.find(".errseg-maps canvas"))
        self.settle()
        return self

    def settle(self):
        """Wait until the server has sent all that it was asked for."""
        self.wait(lambda: not self.run("return window.unanswered.size"))

    def unfold(self):
        """Show the rarer settings."""
        self.find("#errseg-advanced > button")[0].click()
        self.wait(lambda: self.find("#errseg-beta input")[0].is_displayed())

    def list_classes(self):
        """Show CRM's list, which is folded where it drops no class."""
        self.run(
            "for (const fold of document.querySelectorAll('#errseg-ranking details'))"
            "  fold.open = true"
        )

    def tab(self, name):
        css = "#errseg-tabs button[role=tab]"
        self.find(css)[self.texts(css).index(name)].click()

    def point(self, x, y, click=False):
        """Point at a share of the masks' canvas, or click it."""
        canvas = self.find("#errseg-masks canvas")[0]
        self.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
        box = canvas.rect
        action = ActionChains(self.browser, duration=0).move_to_element_with_offset(
            canvas, round((x - 0.5) * box["width"]), round((y - 0.5) * box["height"])
        )
        (action.click() if click else action).perform()

    def set_size(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def start_browser(profile):
    """Start chromium with an empty profile; the caller quits it."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Browser(options=options, service=webdriver.ChromeService(DRIVER))
    watch(driver)
    return driver


def watch(browser):
    """Note in the browser's present tab what its pages ask and are sent."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})

"""The page for everybody: keyboard, small screens, dark and light, no network."""

import json
import time

import pytest
from browser_page import EXAMPLES, IN_BROWSER, Keys

pytestmark = IN_BROWSER


def test_the_keyboard_is_enough(page):
    page.open().finished()
    before = page.state()
    button = page.find(".errseg-examples button")[3]
    page.run("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    page.wait(lambda: page.state() != before)
    field = page.find("#errseg-classes textarea")[0]
    page.wait(lambda: field.get_property("value") == EXAMPLES[3]["classes"])
    page.settle()
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("cup, table")
    field.send_keys(Keys.ENTER)
    page.wait(lambda: "of 2" in page.text("#errseg-ranking h2"))
    page.settle()
    canvas = page.find("#errseg-masks canvas")[0]
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert "votes:" in page.text("#errseg-masks .errseg-readout")
    canvas.send_keys(Keys.ENTER)
    page.wait(lambda: page.find("#errseg-masks .errseg-cross.pinned"))
    # The next control looks closer at the cross, the one behind it takes that back.
    canvas.send_keys(Keys.TAB)
    assert page.run("return document.activeElement.textContent") == "Look closer here"
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.find(".errseg-closer-frame"))
    page.wait(lambda: "&closer=" in page.browser.current_url)
    page.settle()
    page.find(".errseg-closer button")[1].send_keys(Keys.ENTER)
    page.wait(lambda: "&closer=" not in page.browser.current_url)
    assert not page.find(".errseg-closer-frame")
    page.settle()
    page.find("#errseg-tabs [role=tab]")[0].send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.find("[role=tabpanel][aria-label=Compare]"))
    assert page.run("return document.activeElement.textContent") == "Compare"


def tap(page, x, y, to=None):
    """Touch the picture at shares of it; then go sideways to another one, if there is one."""
    canvas = page.find("#errseg-masks canvas")[0]
    page.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    left, top, width, height = page.run(
        "const {x, y, width, height} = arguments[0].getBoundingClientRect();"
        "return [x, y, width, height]",
        canvas,
    )

    def touch(kind, *shares):
        points = [{"x": left + share * width, "y": top + y * height} for share in shares]
        page.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    touch("touchStart", x)
    for step in range(1, 11) if to else ():
        touch("touchMove", x + (to - x) * step / 10)
    touch("touchEnd")


def near(point, place):
    return max(abs(share - other) for share, other in zip(point, place, strict=True)) < 0.02


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_everything_without_sideways_scrolling(page, theme):
    page.set_size(390, 844)
    page.open(f"?__theme={theme}").finished()
    page.find("#errseg-fold button")[0].click()
    time.sleep(0.5)  # the picture is being laid out
    assert page.run("return document.documentElement.scrollWidth") == 390
    tabs = [tab for tab in page.find("#errseg-tabs button[role=tab]") if tab.is_displayed()]
    assert [tab.text for tab in tabs] == ["Look inside", "Compare", "Sweep", "Batch", "About"]
    assert all(tab.rect["x"] + tab.rect["width"] <= 390 for tab in tabs)
    row = page.find("#errseg-tabs .tab-wrapper")[0]  # its own menu of the rest hangs out of it
    assert page.run("return getComputedStyle(arguments[0]).overflow", row) == "visible"
    camera = page.find(".errseg-camera")[0]
    assert not camera.is_displayed()
    page.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert camera.is_displayed()
    for place in ((0.2, 0.5), (0.7, 0.2)):  # every tap reads where it is
        tap(page, *place)
        page.wait(lambda place=place: near(page.run("return window.errseg.point"), place))
        assert page.run("return window.errseg.pinned")
    tap(page, 0.3, 0.4, 0.6)  # a finger that goes sideways draws the cross along
    page.wait(lambda: near(page.run("return window.errseg.point"), (0.6, 0.4)))
    page.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    for css in ("picture-column", "run", "masks", "ranking", "attention"):
        box = page.find(f"#errseg-{css}")[0].rect
        assert box["width"] > (150 if css == "run" else 250)  # "What is in it?" stands beside it
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_the_page_needs_nothing_from_elsewhere(page):
    page.open().finished()
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith((page.url, "data:", "blob:"))] == []


LISTEN = """
window.said = [];
const spoken = document.querySelector('#errseg-spoken');
new MutationObserver(() => { if (spoken.textContent) window.said.push(spoken.textContent); })
  .observe(spoken, {childList: true});
"""
CONTRAST = 4.5
"""Least contrast of text to its ground, WCAG 2.1 AA."""
LOOK = """
const seen = (element) => element.offsetParent !== null;
const name = (element) => [element.getAttribute('aria-label'), element.title, element.innerText,
  ...[...(element.labels ?? [])].map((label) => label.innerText),
  element.querySelector('img')?.alt].join('').trim();
const numbers = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
const light = (color) => color.slice(0, 3)
  .map((value) => value / 255)
  .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, i) => sum + [0.2126, 0.7152, 0.0722][i] * value, 0);
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const color = numbers(getComputedStyle(element).backgroundColor);
    if (color.length && (color[3] ?? 1) > 0.9) return color;
  }
  return [255, 255, 255];
};
const found = [];
for (const control of document.querySelectorAll('button, input, select, textarea')) {
  if (seen(control) && !control.disabled && !name(control)) found.push(control.outerHTML);
}
for (const image of document.querySelectorAll('img')) {
  if (seen(image) && !image.hasAttribute('alt')) found.push(image.outerHTML.slice(0, 200));
}
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].filter((node) => node.nodeType === 3);
  const text = own.map((node) => node.textContent.trim()).join('');
  if (!text || !seen(element)) continue;
  const [less, more] = [getComputedStyle(element).color].map(numbers).concat([ground(element)])
    .map(light).sort((a, b) => a - b);
  const contrast = (more + 0.05) / (less + 0.05);
  if (contrast < arguments[0]) found.push(`${text}: contrast ${contrast.toFixed(1)}`);
}
return found;
"""
RINGS = """
const rings = (element) => ['solid', '3px'].every((part) =>
  getComputedStyle(element).outline.includes(part));
const kinds = 'a, button, input, select, summary, textarea, [tabindex]';
const controls = [...document.querySelectorAll(kinds)]
  .filter((control) => control.tabIndex >= 0 && !control.disabled && control.checkVisibility());
return [controls.length, controls.filter((control) => {
  control.focus({preventScroll: true});
  return !rings(control) && !rings(control.parentElement); // around a picture it is its parent's
}).map((control) => control.outerHTML.slice(0, 200))];
"""
MOTION = """
const times = [...document.querySelectorAll('*')].map((element) => getComputedStyle(element))
  .flatMap(({transitionDuration, animationDuration}) => [transitionDuration, animationDuration]);
return Math.max(...times.flatMap((all) => all.split(',')).map(parseFloat));
"""
FOLDS = ("#errseg-advanced > button", "#errseg-share > button")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_controls_have_names_pictures_have_words_and_text_can_be_read(page, theme):
    page.open(f"?__theme={theme}").finished()
    for fold in FOLDS:
        assert page.find(fold)[0].get_attribute("aria-expanded") == "false"
        page.find(fold)[0].click()
        page.wait(lambda fold=fold: page.find(f"{fold}[aria-expanded=true]"))
    page.list_classes()
    page.find("#errseg-attention summary")[0].click()
    time.sleep(0.5)  # the fold is opening
    assert page.run(LOOK, CONTRAST) == []
    page.find("body")[0].send_keys(Keys.TAB)  # rings are for those who come by keys
    controls, without_ring = page.run(RINGS)
    assert without_ring == []
    assert controls > 50  # those of the question, the legend, CRM, attention, and sharing


def test_what_is_shared_has_names_for_those_who_listen(page):
    page.open().finished()
    page.find("#errseg-share > button")[0].click()
    for field, name in (("link", "Link"), ("command", "Command")):
        css = f"#errseg-{field} textarea, #errseg-{field} input"
        page.wait(lambda css=css, name=name: page.find(css)[0].accessible_name == name)


def test_who_listens_hears_what_came_of_a_question_once(page):
    page.open().finished()
    page.run(LISTEN)
    page.type_classes("sky, tree")
    page.press_segment()
    page.wait(lambda: any(said.startswith("Found: ") for said in page.run("return window.said")))
    canvas = page.find("#errseg-masks canvas")[0]
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    page.wait(lambda: "votes:" in page.run("return window.said.at(-1)"))
    said = page.run("return window.said")
    [found] = [sentence for sentence in said if sentence.startswith("Found: ")]
    assert all(name in found for name in page.legend())
    assert said[-1] == page.texts("#errseg-masks .errseg-readout")[0]
    assert not page.find(
        "#errseg-message[aria-live], #errseg-notes[role], .errseg-readout[aria-live]"
    )
    page.type_classes(" ")
    page.press_segment()
    assert len(page.find("#errseg-message [role=alert]")) == 1


def test_who_wants_no_motion_has_none(page):
    reduced = {"name": "prefers-reduced-motion", "value": "reduce"}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [reduced]})
    page.open()
    longest = page.run(MOTION)
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert longest < 0.001  # seconds


def test_who_has_left_a_panel_is_not_called_back_when_it_is_drawn_anew(page):
    page.open("?example=coffee&classes=cup,+spoon,+fork")
    page.wait(lambda: "of 3" in page.text("#errseg-ranking h2"))
    page.finished()
    page.list_classes()
    page.run("document.querySelector('#errseg-ranking .errseg-bar').focus()")
    page.run("window.drawnBefore = document.activeElement")
    gone = "return !window.drawnBefore.isConnected"
    again = "return document.activeElement.matches('#errseg-ranking .errseg-bar')"
    sent = page.data("ranking")
    page.show("ranking", {**sent, "kept": 1})
    page.wait(lambda: page.run(gone) and page.run(again))  # who stays does so by name

    field = page.find("#errseg-votes input[type=number]")[0]
    page.run("window.drawnBefore = document.activeElement")
    data = json.dumps({**sent, "kept": 2})
    # It is drawn only after the browser's next picture; the visitor is at a knob by then.
    page.run(
        "document.querySelector('#errseg-ranking [data-view]').dataset.view = arguments[0];"
        "return Promise.resolve().then(() => arguments[1].focus())",
        data,
        field,
    )
    page.wait(lambda: page.run(gone))
    assert page.run("return document.activeElement === arguments[0]", field)

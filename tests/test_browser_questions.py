"""In a real browser: question and answer always belong together, whatever is pressed and when."""

import shutil
import time

import pytest
from browser_page import EXAMPLES, IN_BROWSER, ROOT, Keys

pytestmark = IN_BROWSER
STALE = "answer to the question before"
SECONDS_TO_SEE_IT = 0.8  # that a button has changed; longer than stop.js ignores presses


def answered_words(page):
    return page.run("return window.errseg?.question?.words")


def is_stale(page):
    return STALE in page.text("#errseg-stale")


def chips(page):
    return page.find(".errseg-chip:not(.more)")


def copied(example, path):
    """Copy an example's photo: under another name it is a visitor's own."""
    return shutil.copy(ROOT / "examples" / f"{example}.jpg", path)


def answers_the_boxes(page):
    return answered_words(page) == page.value("classes") and not is_stale(page)


def test_two_examples_in_a_hurry_end_with_the_second(page):
    page.open().finished()
    for number in (4, 3):  # the second half a second later
        page.run("arguments[0].click()", page.find(".errseg-examples button")[number])
        time.sleep(0.5)
    page.wait(lambda: page.value("classes") == EXAMPLES[3]["classes"])
    page.wait(lambda: answers_the_boxes(page))
    page.settle()
    assert answered_words(page) == EXAMPLES[3]["classes"]
    assert EXAMPLES[3]["file"].split(".")[0] in page.run("return window.errseg.question.photo")


def test_a_second_question_overtakes_the_first(page):
    page.open().finished()
    page.type_classes(", ".join(f"overtaken {number}" for number in range(120)))
    page.find("#errseg-run")[0].click()
    time.sleep(0.3)
    page.type_classes("wall, stone, sky, grass")
    page.find("#errseg-run")[0].click()
    page.wait(lambda: answered_words(page) == "wall, stone, sky, grass")
    page.settle()
    time.sleep(1)
    assert answered_words(page) == "wall, stone, sky, grass"
    assert page.text("#errseg-message") == ""


def test_stop_ends_a_question_and_leaves_what_was_there(page):
    page.open().finished()
    before = page.sent("masks")
    page.run(
        "const field = document.querySelector('#errseg-classes textarea');"
        "field.value = arguments[0];"
        "field.dispatchEvent(new Event('input', {bubbles: true}));",
        ", ".join(f"stopped {number}" for number in range(400)),
    )
    run = page.find("#errseg-run")[0]
    # The second click of a double click comes when the button has just changed; it stops nothing.
    page.run(
        "const run = arguments[0];"
        "new MutationObserver((_, watching) => {"
        "  if (run.textContent.trim() !== 'Stop') return;"
        "  watching.disconnect();"
        "  run.click();"
        "  window.clickedAgain = true;"
        "}).observe(run, {childList: true, subtree: true, characterData: true});"
        "run.focus(); run.click();",
        run,
    )
    page.wait(lambda: page.run("return window.clickedAgain"))
    time.sleep(SECONDS_TO_SEE_IT)
    assert page.text("#errseg-run") == "Stop"
    page.wait(lambda: page.find(".errseg-waiting"))
    assert page.text("#errseg-message").endswith("…")
    message, knobs = page.find("#errseg-message p")[0], page.find("#errseg-knobs")[0]
    assert message.rect["y"] >= knobs.rect["y"] + knobs.rect["height"]  # it lies over nothing
    assert not is_stale(page)  # that line says what to press
    assert page.run("return document.activeElement === arguments[0]", run)
    run.send_keys(Keys.ENTER)
    page.wait(lambda: page.text("#errseg-message") == "Stopped.")
    page.wait(lambda: page.text("#errseg-run") == "Segment" and is_stale(page))
    page.settle()
    assert page.sent("masks") == before
    assert not page.find(".errseg-waiting")


def test_other_words_grey_the_answer_until_they_are_asked(page):
    page.open().finished()
    page.wait(lambda: not is_stale(page))
    words = page.value("classes")
    page.type_classes("roof, sky")
    page.wait(lambda: is_stale(page))
    page.type_classes(words)
    page.wait(lambda: not is_stale(page))
    page.type_classes("roof, sky")
    page.press_segment()
    page.wait(lambda: not is_stale(page))


def test_another_photo_is_shown_at_once_and_asked_about_with_words_found_in_it(page, tmp_path):
    page.open().finished()
    words = page.value("classes")
    page.run(
        "window.seen = [];"
        "new MutationObserver(() => window.seen.push("
        "  document.querySelector('#errseg-picture-column').dataset.photo +"
        "  (document.querySelector('.errseg-drop img').offsetParent ? ' is seen' : '')))"
        ".observe(document.querySelector('#errseg-picture-column'), {attributes: true});"
    )
    other = copied("cat", tmp_path / "other.jpg")
    page.set_photo(other)
    page.wait(lambda: "other.jpg" in page.run("return window.errseg.question.photo"))
    page.wait(lambda: answers_the_boxes(page))
    found = page.value("classes")
    assert found.startswith("cat, ")
    assert found != words
    states = page.run("return window.seen")
    assert "plain is seen" in states
    assert states[-1] == "masks"
    # All of them are chips; a click takes one away, a second adds it again.
    page.settle()
    pressed = [chip.text for chip in chips(page) if chip.get_attribute("aria-pressed") == "true"]
    assert ", ".join(pressed) == found
    for expected in (", ".join(pressed[1:]), ", ".join([*pressed[1:], "cat"])):
        chips(page)[0].click()
        assert page.value("classes") == expected
    page.run("arguments[0].focus()", page.find(".errseg-chip.more")[0])
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)  # by keyboard
    assert len(chips(page)) == 24
    page.browser.switch_to.active_element.send_keys(Keys.SPACE)  # the first of the new ones
    assert page.value("classes").endswith(f"cat, {chips(page)[12].text}")
    # These words are the visitor's now: another photo is asked with them, the chips are its own.
    own = page.value("classes")
    page.set_photo(copied("coffee", tmp_path / "third.jpg"))
    page.wait(lambda: "third.jpg" in page.run("return window.errseg.question.photo"))
    assert answered_words(page) == own == page.value("classes")
    page.wait(lambda: "dining table" in [chip.text for chip in chips(page)])


def test_words_typed_while_a_photo_arrives_are_never_replaced(page, tmp_path):
    page.open().finished()
    page.set_photo(copied("cat", tmp_path / "other.jpg"))
    page.type_classes("my own words")
    page.wait(lambda: page.find(".errseg-chip"))
    page.settle()
    assert page.value("classes") == "my own words"
    # A button asks for words of an example too; nothing is filled in.
    page.run("arguments[0].click()", page.find(".errseg-examples button")[6])
    page.wait(lambda: not any(chip.is_displayed() for chip in chips(page)))
    page.wait(lambda: page.value("classes") == EXAMPLES[6]["classes"])
    page.find("#errseg-what")[0].click()
    page.wait(lambda: "flower" in [chip.text for chip in chips(page)])
    assert page.value("classes") == EXAMPLES[6]["classes"]


def times_asked(page):
    """How often a question was asked."""
    asked = "entry.name.includes('/queue/join')"
    entries = "performance.getEntriesByType('resource')"
    return page.run(f"return {entries}.filter((entry) => {asked}).length")


def test_p_that_is_set_before_segment_belongs_to_the_new_words(page):
    page.open().finished()
    page.type_classes(", ".join(f"word {number}" for number in range(60)))
    page.wait(lambda: "60 classes" in page.text("#errseg-lint"))
    field = page.find("#errseg-kept input[type=number]")[0]
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("17")
    page.wait(lambda: "17 of 60" in page.text("#errseg-ranking h2"))
    page.settle()
    page.find("#errseg-run")[0].click()
    time.sleep(2)
    page.settle()
    assert "17 of 60" in page.text("#errseg-ranking h2")


def test_keys_turn_a_knob_and_a_turn_asks_once(page):
    page.open().finished()
    before = page.sent("masks")
    knob = page.find("#errseg-threshold input[type=range]")[0]
    value = float(knob.get_property("value"))
    for _ in range(5):
        knob.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.sent("masks") != before)
    page.settle()
    assert float(knob.get_property("value")) == pytest.approx(value + 0.05)
    assert page.run("return document.activeElement === arguments[0]", knob)
    box, before, asked = (
        "#errseg-threshold input[type=number]",
        page.sent("masks"),
        times_asked(page),
    )
    page.set_number("#errseg-threshold", 0.7)
    page.wait(lambda: page.sent("masks") != before)
    time.sleep(1)  # a knob's pause, and more
    assert times_asked(page) == asked + 1
    box = page.find("#errseg-threshold input[type=number]")[0]
    box.click()
    box.send_keys(Keys.TAB)
    page.find("#errseg-kept input[type=number]")[0].click()
    time.sleep(1)
    assert times_asked(page) == asked + 1  # nothing was turned

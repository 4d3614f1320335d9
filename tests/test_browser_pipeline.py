"""The strip of stages, and pictures that open large, in a real browser."""

from browser_page import IN_BROWSER, Keys

pytestmark = IN_BROWSER


def names(page):
    return [name.text for name in page.find(".errseg-pipeline b")]


def test_the_strip_shows_each_stage_and_follows_the_answer(page):
    page.open().finished()
    page.find(".errseg-pipeline-fold summary")[0].click()
    page.wait(lambda: names(page) == ["HSM", "CRM", "ESCF", "GUD"])
    first = page.find(".errseg-pipeline button")[0]
    before = page.picture("pipeline")
    first.send_keys(Keys.ENTER)
    page.wait(lambda: page.find("dialog[open] canvas"))
    assert "HSM" in page.text("dialog h2")
    assert "%" in page.text("dialog .errseg-large-words")
    page.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: "CRM" in page.text("dialog h2"))
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.find("dialog"))
    assert page.browser.switch_to.active_element == first
    page.type_classes("temple, tree, sky, sofa, <b>cat</b>, lake")
    page.press_segment()
    page.wait(lambda: names(page) == ["HSM", "CRM", "ESCF", "GUD"])
    page.wait(lambda: page.picture("pipeline") not in (None, before))
    assert not page.find("#errseg-pipeline b b")

"""Compare, Sweep and Batch in a real browser."""

import io
import urllib.request
import zipfile

from browser_page import IN_BROWSER, ROOT, ActionChains, Keys

pytestmark = IN_BROWSER
PICTURE = "return document.querySelector('.errseg-sweep canvas').toDataURL()"


def test_a_batch_gives_a_zip_and_names_the_bad_file(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    page.open().finished()
    page.tab("Batch")
    field = page.wait(lambda: page.find("#errseg-batch-photos input[type=file]"))[0]
    field.send_keys(f"{ROOT / 'examples' / 'cat.jpg'}\n{tmp_path / 'notes.jpg'}")
    page.wait(lambda: "notes" in page.text("#errseg-batch-photos"))
    page.find("#errseg-batch-run")[0].click()
    link = page.wait(lambda: page.find("#errseg-batch-zip a[href]"))[0]
    page.wait(lambda: len(page.find(".errseg-sheet > li")) == 2)
    assert "is not a photo that can be read" in page.text("#errseg-sheet")
    assert "2 of 2 photos, 1 could not be segmented" in page.text("#errseg-sheet")
    thumbnail = page.find(".errseg-sheet img")[0]
    page.wait(lambda: page.run("return arguments[0].naturalWidth > 200", thumbnail))
    page.find(".errseg-sheet button")[0].click()
    large = page.wait(lambda: page.find("dialog[open] img"))[0]
    page.wait(lambda: page.run("return arguments[0].naturalWidth", large) == 451)
    assert "cat.jpg" in page.text("dialog h2")
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.find("dialog"))
    with urllib.request.urlopen(link.get_attribute("href"), timeout=30) as answer:
        names = zipfile.ZipFile(io.BytesIO(answer.read())).namelist()
    assert "01_cat/mask.png" in names


def test_two_settings_and_a_sweep(page):
    page.open("?kept=2").finished()
    page.run("document.querySelector('.errseg-measure').click()")  # Fig. 2 over all pixels
    page.wait(lambda: len(page.find(".errseg-figure2")) == 4)
    assert len(page.find(".errseg-figure2 tbody tr")) == 16  # two layers, with CRM and without
    page.tab("Compare")
    page.wait(lambda: page.find("#errseg-compare-run")[0].is_displayed())
    page.find("#errseg-compare-presets button")[0].click()  # CRM on and off
    page.wait(lambda: "of the pixels" in page.text("#errseg-compare-outcome"))
    curtain = page.wait(lambda: page.find(".errseg-curtain"))[0]
    assert "P = 2 of 6" in page.text(".errseg-curtain-title.a")
    assert "P = 6 of 6" in page.text(".errseg-curtain-title.b")
    curtain.send_keys(Keys.END, Keys.ARROW_LEFT)
    assert curtain.get_attribute("aria-valuetext") == "98 % A, 2 % B"
    drag = ActionChains(page.browser, duration=0).move_to_element(curtain).click_and_hold()
    drag.move_by_offset(-round(curtain.rect["width"] / 4), 0).release().perform()
    assert abs(int(curtain.get_attribute("aria-valuenow")) - 25) < 3
    page.tab("Sweep")
    page.wait(lambda: page.find("#errseg-sweep-run")[0].is_displayed())
    page.type("#errseg-sweep-values textarea, #errseg-sweep-values input", "1, 3, 4, 5, 6")
    page.find("#errseg-sweep-run")[0].click()
    page.wait(lambda: len(page.find("#errseg-sweep-table tbody tr")) == 5)
    slider = page.wait(lambda: page.find(".errseg-sweep input[type=range]"))[0]
    requests, first = page.requests(), page.run(PICTURE)
    assert len(page.find(".errseg-sweep-list .kept")) == 1
    slider.send_keys(Keys.ARROW_RIGHT)
    assert page.run(PICTURE) != first
    assert len(page.find(".errseg-sweep-list .kept")) == 3
    assert page.text(".errseg-sweep-line") == "P = 3: dropped from here on"
    assert slider.get_attribute("aria-valuetext").startswith("P = 3 · ")
    page.find(".errseg-sweep .errseg-kind")[0].click()  # plays to the end, and stops there
    page.wait(lambda: len(page.find(".errseg-sweep-list .kept")) == 6)
    assert page.text(".errseg-sweep .errseg-kind") == "Play"
    page.find(".errseg-sweep-strip button")[0].click()
    assert page.run(PICTURE) == first
    assert page.requests() == requests
    page.set_size(390, 844)  # as many small pictures as there are don't widen the page
    page.wait(lambda: page.run("return document.documentElement.scrollWidth") <= 390)

"""The page keeps the rules of accessibility (WCAG 2 A and AA, best practice), by axe-core."""

import pytest
from axe import axe_script, broken_rules
from browser_page import IN_BROWSER

pytestmark = [*IN_BROWSER, pytest.mark.slow]
OPEN = "for (const fold of document.querySelectorAll('details')) fold.open = true"
BUSY = ".pending, [data-testid=status-tracker]:not(.hide)"  # Gradio fades what it waits for
CALM = [{"name": "prefers-reduced-motion", "value": "reduce"}]  # and nothing is half faded
LARGE, PHONE = (1440, 900), (390, 844)


@pytest.fixture(scope="module")
def axe():
    return axe_script()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_state_of_the_page_breaks_a_rule(page, axe, theme):
    broken = []

    def look(state):
        page.wait(lambda: not page.find(BUSY))
        page.run("window.scrollTo(0, 0)")
        broken.extend(f"{state}: {rule}" for rule in broken_rules(page, axe))

    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": CALM})
    page.set_size(*LARGE)
    page.open(f"?__theme={theme}&example=china&kept=3&closer=0.6,0.4").finished()
    page.wait(lambda: "kept 3" in page.text("#errseg-ranking h2"))
    page.wait(lambda: page.find(".errseg-closer-frame"))
    page.wait(lambda: page.find(".errseg-switch:enabled"))
    page.unfold()
    page.find("#errseg-share button.label-wrap")[0].click()
    page.run(OPEN)
    page.find(".errseg-switch")[0].click()  # CRM off
    page.wait(lambda: any(page.texts(".errseg-comparison figure")))
    page.wait(lambda: page.find(".errseg-pipeline canvas"))
    look("all open")
    page.type_classes("skie, tree, lake")
    page.wait(lambda: page.find(".errseg-hints li"))
    page.set_size(*PHONE)
    page.find("#errseg-fold button")[0].click()
    look("a phone, with hints, and an answer to other words")
    page.set_size(*LARGE)
    page.type_classes(" ")
    page.press_segment()
    page.wait(lambda: page.find("#errseg-message [role=alert]"))
    look("a refusal")
    page.type_classes("sky, tree, temple, lake")
    page.tab("Compare")
    page.find("#errseg-compare-run")[0].click()
    page.wait(lambda: page.find(".errseg-curtain") and page.text("#errseg-compare-outcome"))
    look("Compare")
    for tab in ("Batch", "About"):
        page.tab(tab)
        page.wait(lambda tab=tab: page.find(f"[role=tabpanel][aria-label={tab}]"))
        look(tab)
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert not broken, "\n".join(broken)

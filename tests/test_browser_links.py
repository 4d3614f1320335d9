"""The link to what is shown, in a real browser: whole, copied, and kept in the address bar."""

from urllib.parse import parse_qs, urlsplit

from browser_page import IN_BROWSER

from errseg.words.vocabulary import parse_classes

pytestmark = IN_BROWSER
WORDS = "lake | water, sky & cloud = 9 %, \u6a39"
FRAMED = """
window.parent = {postMessage: (...message) => { window.posted = message; }};
Object.defineProperty(document, 'referrer', {value: arguments[0]});
"""
TELL = """
const {question} = window.errseg;
window.errsegHelpers.tell({question: {...question, link: {query: arguments[0], note: 'Told.'}}});
"""


def copied(page):
    page.find(".errseg-link button")[0].click()
    page.wait(lambda: "Copied." in page.text(".errseg-link .errseg-hint"))
    return page.browser.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))"
    )


def test_the_link_is_whole_and_stays_in_the_address_bar(page):
    allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.browser.execute_cdp_cmd("Browser.grantPermissions", allowed)
    page.open("?__theme=light&utm_source=mail").finished()
    assert page.browser.current_url == f"{page.url}?__theme=light&utm_source=mail"
    assert page.value("link").startswith(f"{page.url}?example=china&classes=temple+%7C+pagoda")
    page.run("window.notReloaded = true")
    entries = page.run("return history.length")
    page.type_classes(WORDS)
    page.press_segment()
    page.wait(lambda: "lake" in page.browser.current_url)
    link = page.value("link")
    assert link.startswith(f"{page.url}?example=china&classes=lake+%7C+water,+")
    told = parse_qs(urlsplit(link).query)
    assert told["classes"] == [parse_classes(WORDS).text]
    assert page.browser.current_url == f"{link}&__theme=light"
    assert copied(page) == link
    page.set_number("#errseg-votes", 1)  # a knob's answer is kept too
    page.wait(lambda: "&votes=1&" in page.browser.current_url)
    page.finished()  # who leaves while something is on its way has a line in the console
    assert page.run("return window.notReloaded")
    assert page.run("return history.length") == entries
    # Within a Space's page the address bar is that page's, and hears of it; no other page does.
    page.run(FRAMED, "https://example.org/")
    page.run(TELL, "?classes=sky")
    assert page.run("return window.posted ?? null") is None
    assert page.browser.current_url == f"{page.url}?classes=sky&__theme=light"
    page.open().finished()
    page.run(FRAMED, "https://huggingface.co/")
    page.run(TELL, "?classes=sky")
    assert page.run("return window.posted") == [
        {"queryString": "classes=sky"},
        "https://huggingface.co",
    ]
    page.run(TELL, "")  # it would be too long
    assert page.browser.current_url == page.url
    assert page.text(".errseg-link") == "Told."
    page.open(link.removeprefix(page.url))
    page.wait(lambda: page.value("classes") == told["classes"][0])
    page.finished()


def test_a_link_to_a_person_s_own_photo_asks_for_one(page, odd_photos):
    page.open("?threshold=0.2&kept=2").finished()
    page.type_classes("temple, tree, sky")
    page.set_photo(odd_photos["phone.jpg"])
    page.wait(lambda: "isn't in the link" in page.text(".errseg-link"))
    page.finished()
    link = page.value("link")
    assert link.startswith(f"{page.url}?classes=temple,+tree,+sky&kept=2&")
    page.browser.get("about:blank")
    page.browser.get(link)
    page.wait(lambda: "a photo that isn't in the link; drop yours." in page.text("#errseg-message"))
    page.wait(lambda: page.value("classes") == "temple, tree, sky")
    drawn = "#errseg-masks canvas, .errseg-maps canvas, #errseg-legend li, #errseg-stale"
    page.wait(lambda: not page.find(drawn))
    assert page.photo() is None
    assert page.value("link") == link
    page.set_photo(odd_photos["phone.jpg"])
    page.wait(lambda: "CRM kept 2 of 3" in page.text("#errseg-ranking h2"))
    page.finished()
    assert page.text("#errseg-message") == ""
    assert page.value("threshold") == "0.2"
    assert page.value("link") == link == page.browser.current_url

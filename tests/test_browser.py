"""The main view in a real browser, as a visitor uses it."""

from browser_page import EXAMPLES, IN_BROWSER, NONE_NAME, ROOT, By, Keys

import errseg

pytestmark = IN_BROWSER


def test_the_page_opens_on_a_finished_example(page):
    page.open().finished()
    words = {word.split("|")[0].strip() for word in EXAMPLES[0]["classes"].split(",")}
    assert page.seen() <= words
    assert f"of {len(words)}" in page.text("#errseg-ranking h2")
    assert len(page.find(".errseg-examples button img[alt]")) == len(EXAMPLES)
    assert page.photo().endswith(EXAMPLES[0]["file"])
    assert "on CPU" in page.text(".errseg-timing")
    assert len(page.find(".errseg-maps canvas")) == 2  # SFM's layers


def test_an_example_is_one_click_and_segment_answers_again(page):
    page.open().finished()
    first = page.sent("masks")
    index = 1
    page.find(".errseg-examples button")[index].click()
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
    page.list_classes()
    names = page.texts("#errseg-ranking .name")
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
        said = page.wait(lambda: page.texts("#errseg-masks .errseg-readout")[0] or None)
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
    assert name not in page.texts(".errseg-plates span")
    assert page.find(".errseg-legend .toggle")[0].get_attribute("aria-pressed") == "false"
    page.find(".errseg-legend .toggle")[0].click()
    assert page.picture() == shown
    page.find(".errseg-legend .solo")[0].click()
    assert {*page.texts(".errseg-plates span")} <= {name}
    page.find(".errseg-legend .solo")[0].click()
    select = page.find("#errseg-masks select")[0]
    select.find_elements(By.CSS_SELECTOR, "optgroup option")[0].click()
    assert page.picture() not in (shown, hidden)
    page.find(".errseg-legend .solo")[0].click()
    assert page.chosen("#errseg-masks select") == "masks"  # as the picture shows
    assert page.requests() == before
    data = page.data("masks")
    page.show("masks", {**data, "legend": [[data["legend"][0][0], 0.0004, 0.5]]})
    page.wait(lambda: page.texts(".errseg-legend .toggle > :nth-child(2)")[0] == "<1 %")


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
    assert "lower it, or ask for other words" in page.text("#errseg-legend")
    page.settle()


def test_the_ranking_is_searched_and_tabled_and_shows_dropped_classes(page):
    page.open("?kept=2").finished()
    field = page.find("#errseg-ranking input[type=search]")[0]
    name = page.wait(lambda: page.find("#errseg-ranking .errseg-bar.dropped .name"))[0].text
    field.send_keys(name[:4].upper())
    rows = page.texts("#errseg-ranking .errseg-bar .name")
    assert name in rows
    assert len(rows) < 6
    field.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    page.find("#errseg-ranking .errseg-kind")[0].click()
    heads = page.texts("#errseg-ranking thead th")
    assert heads[:6] == ["#", "class", "score", "rank 1", "rank 2", "rank 3"]
    assert len(page.find("#errseg-ranking tbody tr")) == 6
    assert len(page.find("#errseg-ranking tbody tr.dropped")) == 4
    page.find("#errseg-ranking tbody tr.dropped button")[0].click()
    page.wait(lambda: f"Cost maps of {name}" in page.text("#errseg-cost"))
    assert len(page.find("#errseg-cost canvas")) == 2


def test_words_are_loaded_appended_and_looked_at(page):
    page.open().finished()
    assert page.text("#errseg-lint") == ""  # all six can be kept, as P says
    page.type_classes("sofa, couch, sky")
    page.wait(lambda: "sofa and couch" in page.text("#errseg-lint"))
    page.unfold()
    buttons = {button.text: button for button in page.find("#errseg-vocabulary button")}
    buttons["Add surroundings"].click()
    page.wait(lambda: "of 15 classes" in page.text("#errseg-kept"))
    buttons["Replace words"].click()
    page.wait(lambda: page.text("#errseg-lint").startswith("20 classes"))
    # P can be set to what the new words allow before they are used, and stays until then.
    kept = page.find("#errseg-kept input[type=range]")[0]
    page.wait(lambda: kept.get_property("max") == "20")
    assert "of 20 classes" in page.text("#errseg-kept")
    assert kept.get_property("value") == "6"


def test_a_click_on_a_hint_writes_what_was_meant_and_asks(page):
    page.open().finished()
    rest = "grass and road, three dogs, car left of a house, no cat"
    page.type_classes(f"skie, sky and tree, {rest}")
    page.wait(lambda: page.text("#errseg-hints summary").startswith("and "))
    assert len([hint for hint in page.texts("#errseg-hints li") if hint]) == 3
    page.find("#errseg-hints summary")[0].click()
    assert len([hint for hint in page.texts("#errseg-hints li") if hint]) > 4

    def take(label, words):
        css = "#errseg-hints .errseg-take"
        page.wait(lambda: label in page.texts(css))
        # In one step: the hints are drawn anew while the words are looked at.
        page.run(
            "[...document.querySelectorAll(arguments[0])]"
            ".find((e) => e.innerText === arguments[1]).click()",
            css,
            label,
        )
        page.wait(lambda: page.run("return window.errseg.question.words") == words)

    take("sky, tree", f"skie, sky, tree, {rest}")
    page.type_classes("skie, tree")
    take("sky", "sky, tree")
    page.wait(lambda: not page.texts("#errseg-hints li"))
    assert page.value("classes") == "sky, tree"
    page.settle()


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
    page.set_photo(tmp_path / "notes.jpg")
    said = "'notes.jpg' is not a photo that can be read"
    page.wait(lambda: page.text("#errseg-message").startswith(said))
    assert page.sent("masks") == shown

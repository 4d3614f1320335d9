"""Links, files and commands of the page, and visitors who don't meet, in a real browser."""

import base64
import html
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from browser_page import IN_BROWSER, ROOT, watch
from PIL import Image

from errseg.checkpoints.stored_config import advised_threshold

pytestmark = IN_BROWSER
BASE64 = re.compile(rb"[\w+/=]{40,}")  # pictures and packed numbers


def test_the_page_starts_at_the_model_s_own_threshold_and_says_it_everywhere(page):
    own = advised_threshold("errseg-lite")
    page.open().finished()
    field = page.find("#errseg-threshold input[type=number]")[0]
    assert float(field.get_property("value")) == own
    described = json.loads(page.shared_files()["result.json"])
    assert described["settings"]["threshold"] == own
    assert f"--threshold {own:g}" in page.value("command")
    assert f"&threshold={own:g}" in page.value("link")
    assert described["run_lengths"]


def test_a_result_is_taken_away(page):
    page.open("?example=cat&classes=cat,+sky&kept=1").finished()
    page.find("#errseg-share button.label-wrap")[0].click()
    for kind in page.wait(lambda: page.find("#errseg-formats input")):
        if not kind.is_selected():
            kind.click()
    files = page.shared_files()
    assert set(files) == {
        *("figure.png", "figure.pdf", "overlay.png", "mask.png", "masks.zip", "cutouts.zip"),
        *("index.png", "result.html", "coco.json", "result.json"),
    }
    for name in ("figure.png", "overlay.png", "mask.png", "index.png"):
        with Image.open(io.BytesIO(files[name])) as picture:
            assert not picture.getexif()
            assert (picture.size == (451, 300)) == (name != "figure.png")
    described = json.loads(files["result.json"])
    assert [entry["kept"] for entry in described["classes"]].count(True) == 1
    coco = json.loads(files["coco.json"])
    assert [category["name"] for category in coco["categories"]] == ["cat", "sky"]
    assert (coco["images"][0]["width"], coco["images"][0]["height"]) == (451, 300)
    command = page.value("command")
    assert command in html.unescape(files["result.html"].decode())
    assert "--kept-classes 1" in command


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
    page.unfold()
    expand = page.wait(lambda: page.find("#errseg-expand input"))[0]
    assert not expand.get_property("checked")
    page.open("?model=errseg-huge")
    page.wait(lambda: "The Hub can't be asked" in page.text("#errseg-message"))
    page.open("?example=nowhere")
    page.wait(lambda: "no such example" in page.text("#errseg-message"))
    page.finished()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("kept=many", "Classes kept (P) must be a number from 1 to 1,000, not many."),
        ("kept=2.5", "Classes kept (P) must be a whole number"),
        ("votes=0", "Votes per pixel (K) must be a number from 1 to 10, not 0."),
        ("threshold=7", "The threshold must be a number from 0 to 1, not 7."),
        ("beta=nan", "Beta must be a number from 0 to 1"),
        ("expand=maybe", "expand is 0 or 1"),
        ("classes=", "No class was given"),
        ("example=../../etc/passwd", "no such example photo"),
    ],
)
def test_a_broken_link_gets_a_sentence_and_the_page_still_opens(page, query, sentence):
    page.open(f"?{query}")
    page.wait(lambda: sentence in page.text("#errseg-message"))
    page.finished()


def test_a_link_may_say_only_some_things(page):
    page.open("?example=coffee&beta=0.5").finished()
    page.wait(lambda: page.list_classes() or "second 0.5" in page.text("#errseg-ranking"))
    page.unfold()
    fields = page.wait(lambda: page.find("#errseg-beta input[type=number]"))
    assert fields[0].get_property("value") == "0.5"
    field = page.find("#errseg-threshold input[type=number]")[0]
    assert float(field.get_property("value")) == advised_threshold("errseg-lite")


def test_the_command_reproduces_the_mask_of_a_phone_s_photo(page, odd_photos, tmp_path):
    photo = odd_photos["phone.jpg"]
    page.open("?kept=2&votes=2&threshold=0.45").finished()
    page.type_classes("temple | pagoda, tree, sky, lake | water")
    page.set_photo(photo)  # the page asks these words about it by itself
    page.wait(lambda: "CRM kept 2 of 4" in page.text("#errseg-ranking h2"))
    page.wait(lambda: "isn't in the link" in page.text(".errseg-link"))
    files = page.shared_files()
    for name, content in files.items():
        assert b"GPS" not in BASE64.sub(b"", content), name  # letters may stand so by chance
        if name.endswith(".png"):
            with Image.open(io.BytesIO(content)) as picture:
                assert not picture.getexif()
    shown = page.run("return JSON.parse(document.querySelector('[data-view]').dataset.view).photo")
    with Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))) as picture:
        assert not picture.getexif()
    words = shlex.split(page.value("command"))
    shutil.copy(photo, tmp_path / words[words.index("segment") + 1])
    made = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with (
        Image.open(io.BytesIO(files["mask.png"])) as ours,
        Image.open(tmp_path / "result" / "mask.png") as again,
    ):
        assert ours.size == again.size == (320, 213)  # upright
        assert (np.asarray(ours) == np.asarray(again)).mean() > 0.999


def test_two_visitors_who_ask_at_the_same_time_see_only_their_own(page):
    """Both ask again and again without waiting for each other, from two windows."""

    def ranked():
        page.list_classes()
        return {*page.texts("#errseg-ranking .name")}

    def cost_maps():
        page.find("#errseg-ranking .errseg-bar")[0].click()
        return page.text("#errseg-cost h2")

    def named():
        # The first choice is the class under the cross.
        return {option.text for option in page.find("#errseg-attention select option")[1:]}

    def opened(query, words):
        page.open(query)
        page.wait(lambda: ranked() == words)  # the stored opening stands there first
        own[page.browser.current_window_handle] = words

    own = {}
    opened("?example=cat&classes=cat,+dog", {"cat", "dog"})
    page.browser.switch_to.new_window("tab")
    watch(page.browser)
    try:
        opened("?example=coffee&classes=cup,+spoon,+fork", {"cup", "spoon", "fork"})
        for votes in (1, 2, 3):
            for handle in own:  # knobs, attention and cost maps all refer to what is remembered
                page.browser.switch_to.window(handle)
                page.set_number("#errseg-votes", votes)
                # The knob asks by itself; a button that just turned into Stop stops nothing.
                page.find("#errseg-run")[0].click()
            for handle, words in own.items():
                page.browser.switch_to.window(handle)
                page.settle()
                page.wait(lambda: page.find("#errseg-ranking .errseg-bar"))
                assert ranked() == words
                assert page.seen() <= words
                page.wait(lambda: words <= named())  # noqa: B023
                shown = page.wait(cost_maps)  # an answer that comes late takes them away again
                assert shown.removeprefix("Cost maps of ") in words
    finally:
        *others, last = own
        for handle in others if len(own) > 1 else []:
            page.browser.switch_to.window(handle)
            page.browser.close()
        page.browser.switch_to.window(last)

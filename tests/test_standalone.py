"""A result as one HTML file: nothing to fetch, nothing to run but its own, nothing of the file."""

import base64
import hashlib
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from demo_answers import NASTY
from PIL import Image, ImageOps

from errseg.__main__ import main
from errseg.demo.backend import view
from errseg.demo.backend.standalone import PANELS, standalone_page
from errseg.demo.backend.static_files import SHARED

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 3_000_000


class Parts(HTMLParser):
    """What a browser would make of a page: elements with attributes, and what stands in scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.text = [], [], ""
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, data):
        if self.within == "script":
            self.scripts[-1] += data
        elif self.within != "style":
            self.text += data


@pytest.fixture
def text(answer, attention):
    return standalone_page(answer, attention, "python -m errseg segment 'a b.jpg' --classes '<b>'")


def test_the_file_forbids_all_that_it_does_not_have(text):
    parts = Parts(text)
    [policy] = [e["content"] for tag, e in parts.elements if e.get("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in parts.scripts
    ]
    assert rules["script-src"].split() == hashes
    assert len(hashes) == len(SHARED) + 1 + len(PANELS)
    assert not {"src", "href", "action", "srcset"} & {name for _, e in parts.elements for name in e}
    assert not [e for _, e in parts.elements if any(name.startswith("on") for name in e)]
    assert "url(" not in text
    assert "@import" not in text


def test_what_somebody_typed_is_text(text):
    parts = Parts(text)
    assert not [tag for tag, _ in parts.elements if tag in ("img", "b", "iframe")]
    assert len(parts.scripts) == len(SHARED) + 1 + len(PANELS)
    assert ", ".join(NASTY)[:60] in parts.text  # the title
    assert "--classes '<b>'" in parts.text


def test_the_panels_have_the_page_s_data(text, answer, attention):
    sent = [json.loads(e["data-view"]) for _, e in Parts(text).elements if "data-view" in e]
    expected = (
        *(view.masks(answer), view.ranking(answer), view.attention(attention)),
        *view.queries(attention),
    )
    assert sent == json.loads(json.dumps(expected))


def test_the_file_says_what_it_depends_on(text, answer):
    said = Parts(text).text
    assert "ab" * 32 in said  # the weights
    rows = b"".join(bytes(row.tobytes()) for row in answer.photo)
    assert hashlib.sha256(rows).hexdigest() in said
    for written in ("python -m errseg segment 'a b.jpg'", "320", "480", "float32", "30, 10"):
        assert written in said
    assert "Left out as repeated: <b>." in said


@pytest.mark.slow
@pytest.mark.parametrize("example", ["china", "coffee"])
def test_a_large_photo_with_many_classes_stays_small(tmp_path, example):
    photo, folder = tmp_path / "photo.png", tmp_path / "out"
    with Image.open(ROOT / "examples" / f"{example}.jpg") as picture:
        large = ImageOps.contain(picture, (1280, 1280), Image.Resampling.LANCZOS)
        rough = np.random.default_rng(0).normal(0, 6, (large.height, large.width, 3))
        grainy = (np.asarray(large) + rough).clip(0, 255).astype(np.uint8)  # as a camera's
    Image.fromarray(grainy).save(photo)
    options = ["--vocabulary", "ade150", "--kept-classes", "32", "--threshold", "0"]
    assert main(["segment", str(photo), *options, "--save", "html", "--out", str(folder)]) == 0
    text = (folder / "result.html").read_text("utf-8")
    sent = [json.loads(e["data-view"]) for _, e in Parts(text).elements if "data-view" in e]
    masks, _, _, queries = sent
    assert max(masks["size"]) == 1280
    assert len(masks["maps"]["kept"]) == 32
    assert queries["classes"]  # some are live, the largest first
    assert len(text.encode()) < MOST_BYTES


@pytest.fixture(scope="module")
def saved(tmp_path_factory, odd_photos):
    """A file that the command wrote, of a phone's photo."""
    folder = tmp_path_factory.mktemp("travel") / "résultat #1 & 100%"
    words = "temple | pagoda, tree, sky, lake | water, <img src=x onerror=alert(1)>"
    options = ["--kept-classes", "4", "--input-size", "256", "--save", "html", "--out", str(folder)]
    assert main(["segment", str(odd_photos["phone.jpg"]), "--classes", words, *options]) == 0
    return folder / "result.html"


def test_nothing_says_where_the_photo_was_taken(saved):
    sent = [
        json.loads(e["data-view"])
        for _, e in Parts(saved.read_text("utf-8")).elements
        if "data-view" in e
    ]
    assert sent[0]["labels"]["size"] == [320, 213]  # upright
    content = base64.b64decode(sent[0]["photo"].split(",")[1])
    assert b"GPS" not in content
    assert b"Exif" not in content
    with Image.open(io.BytesIO(content)) as picture:
        assert not picture.getexif()
        assert picture.size == (320, 213)
    assert str(saved.parent) not in saved.read_text("utf-8")

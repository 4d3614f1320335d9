"""What is taken away: links that restore a view, commands that reproduce it, files."""

import json
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image

from errseg.demo.backend import links
from errseg.demo.backend.examples import load_examples
from errseg.demo.backend.request import check_request
from errseg.errors import InputError
from errseg.pictures.export import run_lengths
from errseg.words.vocabulary import parse_classes

ROOT = Path(__file__).resolve().parent.parent


def test_a_link_restores_the_view():
    examples = load_examples()
    request = check_request(
        examples[1].path,
        "cat | kitten, dog & co",
        model="b.pth",
        kept_classes=2,
        votes_per_pixel=4,
        threshold=0.25,
        beta=0.5,
        expand=False,
    )
    query = links.query_string(request, examples[1].name, "errseg-lite")
    link = links.read_link(dict(parse_qsl(query[1:])), examples)
    assert link.example == examples[1]
    assert parse_classes(link.classes) == request.vocabulary
    assert link.options == {
        "kept_classes": 2,
        "votes_per_pixel": 4,
        "threshold": 0.25,
        "beta": 0.5,
        "expand": False,
    }
    assert link.model == "b.pth"
    plain = check_request(examples[1].path, "cat", threshold=0.4, model="errseg-lite")
    query = links.query_string(plain, None, "errseg-lite")
    assert query == "?classes=cat&kept=32&votes=3&threshold=0.4"
    assert links.read_link({"expand": "1"}, examples).options == {"expand": True}
    assert links.read_link({"__theme": "dark"}, examples) is None


@pytest.mark.parametrize(
    "query",
    [
        {"example": "../secret"},
        {"kept": "many"},
        {"votes": "0"},
        {"threshold": "7"},
        {"expand": "maybe"},
    ],
)
def test_a_broken_link_gets_a_sentence(query):
    with pytest.raises(InputError):
        links.read_link(query, load_examples())


def test_the_command_gives_the_same_settings():
    request = check_request(
        "photo.jpg",
        "a 'cat', $HOME | sky",
        model="errseg_b.pth",
        kept_classes=2,
        votes_per_pixel=4,
        threshold=0.25,
        beta=0.5,
        input_size=256,
        precision="float32",
        expand=False,
    )
    line = links.command(request, "photo.jpg")
    words = shlex.split(line)
    assert words[:5] == ["python", "-m", "errseg", "segment", "photo.jpg"]
    assert words[words.index("--classes") + 1] == request.vocabulary.text
    assert words[words.index("--model") + 1] == "errseg_b.pth"
    assert words[words.index("--precision") + 1] == "float32"
    assert words[words.index("--beta") + 1] == "0.5"
    assert words[words.index("--input-size") + 1] == "256"
    assert "--no-expand" in words
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == "There is no photo 'photo.jpg'.\n"  # every option was understood
    plain = links.command(
        check_request("photo.jpg", "cat", threshold=0.4, model="errseg-lite"), "photo.jpg"
    )
    assert "--precision" not in plain
    assert "expand" not in plain


def test_shared_files_hold_what_they_should(answer, attention, tmp_path):
    request = check_request("a/b c.jpg", "dog, sky", model="errseg-lite", threshold=0.25)
    paths = links.write_files(answer, attention, tmp_path, request)
    assert [path.name for path in paths] == [
        "figure.png",
        "overlay.png",
        "mask.png",
        "result.html",
        "coco.json",
        "result.json",
    ]
    assert {*paths} == {*tmp_path.iterdir()}
    with Image.open(paths[0]) as figure:
        assert min(figure.size) > 2000
        assert not figure.getexif()
    with Image.open(paths[2]) as mask:
        assert mask.mode == "P"
        labels = np.where(answer.result.labels < 0, 255, answer.result.labels)
        assert np.array_equal(np.asarray(mask), labels)
    page = unescape(paths[3].read_text(encoding="utf-8"))
    assert links.command(request, "b_c.jpg") in page
    [image] = json.loads(paths[4].read_text(encoding="utf-8"))["images"]
    assert image["file_name"] == "b c.jpg"
    described = json.loads(paths[5].read_text(encoding="utf-8"))
    assert described["settings"]["kept_classes"] == 2
    assert described["classes"][0]["rle"] == run_lengths(answer.result.labels == 0)
    assert "rle" not in described["classes"][2]
    assert described["attention_query"] == [30, 10]
    assert described["files"] == [path.name for path in paths[:-1]]
    assert {*described["how_to_read"]} == {path.name for path in paths}
    assert not [p for p in paths if str(tmp_path).encode() in p.read_bytes()]


def test_a_photo_s_name_is_safe_in_a_shell():
    assert links.shell_name("a b;c$(x).jpg") == "a_b_c__x_.jpg"
    assert links.shell_name("-rf") == "rf"
    assert links.shell_name("") == "photo.jpg"

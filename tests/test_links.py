"""What is taken away: links that restore a view, commands that reproduce it, files."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errseg.demo.backend import links
from errseg.demo.backend.examples import load_examples
from errseg.demo.backend.request import check_request
from errseg.errors import InputError
from errseg.words.vocabulary import load_vocabulary, parse_classes

ROOT = Path(__file__).resolve().parent.parent


def test_a_figure_shows_the_first_layer_s_attention_in_times_more_and_less(attention):
    heat, *costs = links.attention_heats(attention)
    weights = attention.attention.spatial[0, 1].mean(dim=0).numpy()  # `best` is the second kept
    assert heat.title == "SFM, layer 1"
    assert 30.0**heat.values == pytest.approx((weights * weights.size).clip(1 / 30, 30), rel=1e-4)
    assert heat.span == (-1, 1)
    assert [cost.quantity for cost in costs] == ["cosine", "cosine"]


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
    assert links.read_link(dict(parse_qsl(query[1:])), examples).lacks_photo
    assert not links.read_link({"kept": "3"}, examples).lacks_photo
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
        {"vocabulary": "ade15"},
    ],
)
def test_a_broken_link_gets_a_sentence(query):
    with pytest.raises(InputError):
        links.read_link(query, load_examples())


def there_and_back(words, example="cat"):
    """Read a link as a server reads the address that a browser asks for."""
    request = check_request("cat.jpg", words, model="errseg-lite", threshold=0.4)
    link = links.link_to(request, example, "errseg-lite")
    assert re.fullmatch(r"[!-~]*", link["query"])  # as a mail or a chat takes it
    read = links.read_link(dict(parse_qsl(link["query"][1:])), load_examples())
    return request.vocabulary, link, read


@given(st.text(max_size=300))
def test_any_words_come_back_as_they_were(words):
    try:
        asked, _, read = there_and_back(words)
    except InputError:  # they are no words
        return
    assert parse_classes(read.classes) == asked
    assert read.classes == asked.text


@pytest.mark.parametrize(
    "words",
    [
        "dog & cat = 100 % + 1, a?b#c, x/y\\z, “q” 'a' \"b\"",
        "car|auto | \U0001f697, \U0001f468\u200d\U0001f469\u200d\U0001f467, \U0001f1e9\U0001f1ea",
        "كلب | قط, שמיים, dog كلب cat",
        "日本語\u3001空\uff1b木, 猫\uff0c犬",
        "e\u0301cole, Straße, I\u0307",
        "%2C, %7C, +, &classes=sky, ?example=cat",
        "\n sky \n\n tree \n",
    ],
)
def test_odd_words_come_back_as_they_were(words):
    asked, _, read = there_and_back(words)
    assert read.classes == asked.text
    assert parse_classes(read.classes).classes == asked.classes


def test_a_link_that_servers_would_cut_is_none():
    short = ", ".join(f"w{number}" for number in range(1000))
    asked, link, read = there_and_back(short)
    assert len(link["query"]) < links.LONGEST_QUERY
    assert parse_classes(read.classes) == asked
    long = ", ".join(f"the word number {number}" for number in range(1000))
    request = check_request("cat.jpg", long, model="errseg-lite", threshold=0.4)
    link = links.link_to(request, "cat", "errseg-lite")
    assert link["query"] == ""
    assert (
        f"of {len(links.query_string(request, None, 'errseg-lite')) + 12:,} characters"
        in link["note"]
    )
    assert "7,500" in link["note"]


def test_a_long_ready_made_vocabulary_travels_by_its_name():
    asked, link, read = there_and_back(load_vocabulary("ade847").text)
    assert "vocabulary=ade847&" in link["query"]
    assert parse_classes(read.classes) == asked
    _, link, _ = there_and_back(load_vocabulary("voc20").text)
    assert "classes=" in link["query"]
    query = {"vocabulary": "voc20", "classes": "sofa, sky"}
    both = parse_classes(links.read_link(query, load_examples()).classes).names
    assert both[:2] == ("sofa", "sky")
    assert len(both) == 21


def test_a_link_says_that_a_person_s_own_photo_is_not_in_it():
    assert there_and_back("sky", None)[1]["note"] == links.NOT_IN_IT
    assert there_and_back("sky")[1]["note"] == ""


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
    words[words.index("--model") + 1] = "errseg-lite"  # the weights are looked for first
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == "There is no photo 'photo.jpg'.\n"  # every option was understood
    plain = links.command(
        check_request("photo.jpg", "cat", threshold=0.4, model="errseg-lite"), "photo.jpg"
    )
    assert "--precision" not in plain
    assert "expand" not in plain


def test_a_photo_s_name_is_safe_in_a_shell():
    assert links.shell_name("a b;c$(x).jpg") == "a_b_c__x_.jpg"
    assert links.shell_name("-rf") == "rf"
    assert links.shell_name("") == "photo.jpg"

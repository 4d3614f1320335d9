"""The demo's parts without a server: what is sent to the browser, words, links, files, batches."""

import base64
import html as standard_html
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.demo.backend import batch, view
from errseg.demo.backend import links as share
from errseg.demo.backend import word_help as vocabulary_tools
from errseg.demo.backend.examples import load_examples, opening_request
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Answer, AttentionAnswer, query_pixel
from errseg.demo.backend.sweep import check_values
from errseg.demo.page import html, opening
from errseg.demo.page.compare import RAW, changed_share, labels_of
from errseg.errors import InputError
from errseg.inference.predictor import CostView, Result, Settings
from errseg.network.attention import Attention
from errseg.pictures.export import legend, result_colors, run_lengths
from errseg.pictures.figure import Heat, heat_ranges, write_figure
from errseg.words.vocabulary import load_vocabulary, parse_classes, suggested_kept_classes

ROOT = Path(__file__).resolve().parent.parent
NASTY = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "dog", "sky $x$ {{y}}")


@pytest.fixture
def answer():
    """An answer of a 40 x 20 photo whose names are what an attacker would type."""
    labels = np.zeros((20, 40), np.int64)
    labels[:5], labels[5:6] = 1, -1
    generator = np.random.default_rng(0)
    result = Result(
        classes=NASTY,
        labels=labels,
        scores=generator.random((20, 40), np.float32),
        kept=(0, 1),
        crm_scores=np.array([40, 20, 3.5, 0], np.float32),
        votes=np.array([[30, 9], [10, 1], [0, 30], [0, 0]]),
        ranking=generator.integers(0, 4, (2, 4, 8)),
        class_scores=generator.random((2, 5, 10), np.float32),
        notices=("Left out as repeated: <b>.",),
        settings=Settings("errseg-lite", "ab" * 32, 2, 2, 0.1, 0.0, (320, 480)),
        timings={"encode": 0.2, "decode": 0.1},
    )
    colors = result_colors(result)
    photo = generator.integers(0, 255, (20, 40, 3), np.uint8)
    return Answer(photo, result, colors, legend(result, colors))


@pytest.fixture
def attention():
    """Attention of the same: two layers, two kept classes, two heads, a 2 x 4 grid."""
    generator = torch.Generator().manual_seed(0)

    def rows(*shape, ends=1):
        values = torch.rand(*shape, generator=generator)
        return values / values.sum(dim=tuple(range(-ends, 0)), keepdim=True)

    maps = Attention(rows(2, 2, 2, 2, 4, ends=2), rows(2, 2, 2, 2), rows(2, 2, 2, 2))
    costs = CostView(np.random.rand(2, 4, 8), np.random.rand(2, 2, 4))  # noqa: NPY002
    return AttentionAnswer((30, 10), (20, 40), NASTY, (0, 1), 1, maps, costs, (1,), None)


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def unpack(packed: dict) -> np.ndarray:
    """Unpack `view._numbers` as its docstring says."""
    words = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"])
    least, most = packed["range"]
    return least + words / 65535 * (most - least)


def test_nothing_a_visitor_typed_is_sent_as_html(answer, attention):
    sent = [view.masks(answer), view.ranking(answer), view.attention(attention)]
    page = "".join(map(view.as_html, sent))
    page += html.notes(answer, "cpu", 0.1) + html.message("<b>") + html.lint([NASTY[0]])
    page += html.outcomes([(NASTY[0], NASTY[1])])
    for raw in ("<img", "<script", "<b>"):
        assert raw not in page
    text = re.fullmatch(r'<div data-view="([^"]*)" hidden></div>', view.as_html(sent[0]))[1]
    assert json.loads(standard_html.unescape(text))["names"] == list(NASTY)


def test_the_browser_gets_every_pixel_s_label_votes_and_scores(answer):
    data = view.masks(answer)
    pixels = decode(data["labels"]).astype(int)
    labels = pixels[..., 0] + 256 * pixels[..., 1]
    assert np.array_equal(np.where(labels == view.NO_CLASS, -1, labels), answer.result.labels)
    assert np.array_equal(unpack(data["ranking"]).round(), answer.result.ranking)
    maps = data["maps"]
    height, width = maps["grid"]
    mosaic = decode(maps["picture"]) / 255
    for place, own in enumerate(answer.result.class_scores):
        top, left = place // maps["columns"] * height, place % maps["columns"] * width
        tile = mosaic[top : top + height, left : left + width]
        np.testing.assert_allclose(tile, own, atol=0.002)
    assert decode(data["photo"]).shape == (20, 40, 3)
    assert data["none"] == pytest.approx(0.05)


def test_the_ranking_has_every_class_in_order(answer):
    data = view.ranking(answer)
    assert [row["index"] for row in data["rows"]] == [0, 1, 2, 3]
    assert [row["rank"] for row in data["rows"]] == [1, 2, 3, 4]
    assert data["kept"] == 2
    assert data["rows"][2]["votes"] == [0, 30]
    assert [row["area"] for row in data["rows"]] == [0.7, 0.25, 0, 0]


def test_attention_keeps_its_values(attention):
    data = view.attention(attention)
    spatial = attention.attention.spatial.numpy()
    np.testing.assert_allclose(unpack(data["spatial"]), spatial, atol=1e-4)
    assert data["share"] == pytest.approx(
        attention.attention.classes_mean[:, :, 1, 1].mean().item(), abs=1e-4
    )
    assert data["without"] is None


def test_the_line_below_a_result_says_what_computed_it(answer):
    assert "on CPU, errseg-lite in float32; photo 40 x 20" in html.notes(answer, "cpu", 0.1)


@pytest.mark.parametrize("precision", ["double", None, ["auto"], 7])
def test_a_precision_that_is_none_gets_a_sentence(precision):
    with pytest.raises(InputError, match=r"There is no precision .*; give auto, float32"):
        check_request("photo.jpg", "cat", precision=precision)


def test_a_large_photo_is_shown_smaller(answer):
    assert view._shown_size(3000, 4000) == (view.LONGEST_SHOWN, 960)
    assert view._shown_size(20, 40) == (40, 20)


def test_the_first_query_lies_on_the_largest_class(answer):
    x, y = query_pixel(answer)
    assert answer.result.labels[y, x] == 0


def test_run_lengths_are_coco_s(answer):
    for index in (-1, 0, 1):
        mask = answer.result.labels == index
        encoded = run_lengths(mask)
        column = np.repeat(np.arange(len(encoded["counts"])) % 2, encoded["counts"])
        assert np.array_equal(column.reshape(encoded["size"], order="F"), mask)
    assert run_lengths(np.ones((2, 2), bool))["counts"] == [0, 4]
    assert run_lengths(np.zeros((2, 2), bool))["counts"] == [4]


def test_the_lint_line_names_what_to_look_at():
    said = " ".join(vocabulary_tools.lint("sofa, couch, tree, trees, cat, cat, sky"))
    assert "6 classes" in said
    assert "Left out as repeated: cat" in said
    assert "sofa and couch; tree and trees" in said
    assert vocabulary_tools.lint("") == [
        "No class was given; type at least one word, such as: dog, grass, sky."
    ]
    assert vocabulary_tools.lint("dog | puppy, sky") == ["2 classes; all can be kept."]
    many = vocabulary_tools.lint(load_vocabulary("ade150").text)[0]
    assert many == "150 classes; the paper's P is 32."


def test_words_are_appended_once():
    assert vocabulary_tools.append("dog, Sky", parse_classes("sky, grass")) == "dog, Sky, grass"
    assert vocabulary_tools.append("", parse_classes("sky, grass")) == "sky, grass"
    text = vocabulary_tools.append_background("dog, sky")
    assert text.startswith("dog, sky, wall, floor")
    assert text.count("sky") == 1
    assert vocabulary_tools.append_background(text) == text
    assert len(parse_classes(vocabulary_tools.append_named("unicorn", "voc20"))) == 21
    with pytest.raises(InputError, match="at most 1,000"):
        vocabulary_tools.append(",".join(map(str, range(900))), load_vocabulary("ade847"))


def test_p_follows_the_vocabulary_unless_it_was_chosen():
    follow = vocabulary_tools.follow_vocabulary
    assert follow(suggested_kept_classes(6), 6, 150) == 32
    assert follow(3, 6, 150) == 3
    assert follow(48, 847, 5) == 5


def test_a_link_restores_the_view():
    examples = load_examples()
    request = check_request(
        examples[1].path, "cat | kitten, dog & co", 2, 4, 0.25, 0.5, model="b.pth", expand=False
    )
    query = share.query_string(request, examples[1].name, "errseg-lite")
    from urllib.parse import parse_qsl

    link = share.read_link(dict(parse_qsl(query[1:])), examples)
    assert link.example == examples[1]
    assert parse_classes(link.classes) == request.vocabulary
    assert link.settings == {
        "kept_classes": 2,
        "votes_per_pixel": 4,
        "threshold": 0.25,
        "beta": 0.5,
        "expand": False,
        "model": "b.pth",
    }
    plain = check_request(examples[1].path, "cat", threshold=0.4, model="errseg-lite")
    query = share.query_string(plain, None, "errseg-lite")
    assert query == "?classes=cat&kept=32&votes=3&threshold=0.4"
    assert share.read_link({"expand": "1"}, examples).settings == {"expand": True}
    assert share.read_link({"__theme": "dark"}, examples) is None


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
        share.read_link(query, load_examples())


def test_the_command_gives_the_same_settings():
    request = check_request(
        "photo.jpg",
        "a 'cat', $HOME | sky",
        2,
        4,
        0.25,
        model="errseg_b.pth",
        precision="float32",
        expand=False,
    )
    line = share.command(request, "photo.jpg")
    import shlex

    words = shlex.split(line)
    assert words[:5] == ["python", "-m", "errseg", "segment", "photo.jpg"]
    assert words[words.index("--classes") + 1] == request.vocabulary.text
    assert words[words.index("--model") + 1] == "errseg_b.pth"
    assert words[words.index("--precision") + 1] == "float32"
    assert "--no-expand" in words
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == "There is no photo 'photo.jpg'.\n"  # every option was understood
    plain = share.command(
        check_request("photo.jpg", "cat", threshold=0.4, model="errseg-lite"), "photo.jpg"
    )
    assert "--precision" not in plain
    assert "expand" not in plain


def test_shared_files_hold_what_they_should(answer, attention, tmp_path):
    paths = share.write_files(answer, attention, tmp_path)
    assert [path.name for path in paths] == [
        "figure.png",
        "overlay.png",
        "mask.png",
        "result.json",
    ]
    with Image.open(paths[0]) as figure:
        assert min(figure.size) > 2000
        assert not figure.getexif()
    with Image.open(paths[2]) as mask:
        assert mask.mode == "P"
        labels = np.where(answer.result.labels < 0, 255, answer.result.labels)
        assert np.array_equal(np.asarray(mask), labels)
    described = json.loads(paths[3].read_text())
    assert described["settings"]["kept_classes"] == 2
    assert described["classes"][0]["rle"] == run_lengths(answer.result.labels == 0)
    assert "rle" not in described["classes"][2]
    assert described["attention_query"] == [30, 10]


def test_a_figure_s_maps_share_one_scale(tmp_path, answer):
    generator = np.random.default_rng(1)
    small, large, cosines = generator.random((3, 4, 8))
    heats = [
        Heat("with CRM", "attention", small / 10),
        Heat("without CRM", "attention", large),
        Heat("cost", "cosine", cosines - 0.5),
    ]
    ranges = heat_ranges(heats)
    assert ranges["attention"] == (min(small.min() / 10, large.min()), large.max())
    assert ranges["cosine"] == (cosines.min() - 0.5, cosines.max() - 0.5)
    settings = (answer.photo, answer.result, answer.colors)
    pictures = []
    for name, shown in (("three.png", heats), ("one.png", heats[2:])):
        write_figure(tmp_path / name, *settings, shown, (3, 4))
        pictures.append((tmp_path / name).read_bytes())
    assert len(set(pictures)) == 2


def test_raw_cost_maps_are_the_first_votes(answer):
    raw = labels_of(answer, RAW)
    ranking = answer.result.ranking[0]
    assert raw.shape == answer.result.labels.shape
    for y, x in ((0, 0), (19, 39), (7, 22)):
        assert raw[y, x] == ranking[y * 4 // 20, x * 8 // 40]
    own = answer.result.labels
    assert changed_share(answer, own, answer, own) == 0
    assert changed_share(answer, own, answer, np.full_like(own, -1)) == pytest.approx(0.95)


def test_sweep_values_are_read_as_typed():
    assert check_values("P", "8, 2,2 ,50", 6) == ("P", [2, 6])
    assert check_values("K", [3, 1], 6) == ("K", [1, 3])


class OnePhoto:
    """A service that knows one good photo."""

    def __init__(self, answer):
        self.known = answer

    def answer(self, request):
        if "good" in request.photo:
            return self.known
        if "odd" in request.photo:
            raise RuntimeError("a secret of the server")
        raise InputError("This is no photo.")


def test_a_batch_goes_on_after_a_bad_photo(answer, tmp_path):
    request = check_request("later", "cat, dog")
    photos = ["a/good.jpg", "bad.txt", "odd.png", "b/../good.jpg"]
    packed, outcomes = batch.run_batch(OnePhoto(answer), photos, request, tmp_path)
    assert [outcome for _, outcome in outcomes][1:3] == ["This is no photo.", batch.UNREADABLE]
    with zipfile.ZipFile(packed) as file:
        names = file.namelist()
    assert "01_good/mask.png" in names
    assert "04_good/result.json" in names
    assert "outcomes.txt" in names
    assert len(names) == 7
    assert batch.run_batch(OnePhoto(answer), ["bad.txt"], request, tmp_path / "b")[0] is None


@pytest.mark.parametrize("photos", [[], ["x"] * (batch.MOST_PHOTOS + 1)])
def test_a_batch_has_bounds(photos, tmp_path):
    with pytest.raises(InputError):
        batch.run_batch(None, photos, check_request("later", "cat"), tmp_path)


def test_folder_names_are_safe():
    for name in ("../../etc/passwd", "..", "a\\b<c>.jpg", "x" * 300 + ".jpg"):
        assert re.fullmatch(r"01_[\w-]{1,60}", batch.folder_name(1, name))


def test_a_stored_opening_is_shown_for_its_own_weights_only(
    answer, attention, tmp_path, monkeypatch
):
    example = load_examples()[0]

    class Stored:
        device = "cpu"

        def __init__(self, *arguments):
            assert arguments[-1] == opening_request(example)

        def opening(self):
            return answer, attention

    monkeypatch.setattr("errseg.demo.backend.service.Service", Stored)
    weights, file = tmp_path / "model.safetensors", tmp_path / "opening.json"
    weights.write_bytes(b"first")
    monkeypatch.setattr(opening, "EMBEDDED", {"errseg-lite": weights})
    assert opening.load_opening(example, "errseg-lite", file) is None
    opening.write_opening(example, "errseg-lite", file)
    stored = opening.load_opening(example, "errseg-lite", file)
    assert stored.ranking == view.ranking(answer)
    assert decode(stored.masks["photo"]).shape == (427, 640, 3)
    assert "CPU" in stored.timing
    assert opening.load_opening(example, "model.pth", file) is None
    weights.write_bytes(b"second")
    assert opening.load_opening(example, "errseg-lite", file) is None


@pytest.mark.skipif(not opening.FILE.is_file(), reason="no opening is stored")
def test_the_stored_opening_is_of_the_embedded_weights():
    example = load_examples()[0]
    assert opening.load_opening(example, "errseg-lite"), (
        "The stored opening is stale; run: python -m errseg.demo.page.opening"
    )

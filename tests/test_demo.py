"""The app's endpoint as programs use it, through the real client and server."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from app_server import start_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import errseg
from errseg.demo import html
from errseg.demo.service import LONGEST_SIDE, Answer, Service, check_request, shrink
from errseg.errors import InputError
from errseg.export import legend, result_colors
from errseg.predictor import Result, Settings

ROOT = Path(__file__).resolve().parent.parent
CHINA = ROOT / "examples" / "china.jpg"
CAT = ROOT / "examples" / "cat.jpg"
ORIENTATION, GPS = 274, 0x8825


@pytest.fixture(scope="module")
def url():
    return start_app()


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def segment(client, image, classes, **settings):
    photo = handle_file(str(image)) if isinstance(image, Path) else image
    return client.predict(image=photo, classes=classes, **settings, api_name="/segment")


def test_segment_answers_like_the_predictor(client):
    overlay, mask, result = segment(
        client, CHINA, "temple | pagoda, tree, sky, lake | water", kept_classes=3, threshold=0.3
    )
    predictor = errseg.Predictor(errseg.load_model("errseg-lite"))
    expected = predictor(
        CHINA, "temple | pagoda, tree, sky, lake | water", kept_classes=3, threshold=0.3
    )
    with Image.open(mask) as image:
        assert image.mode == "P"
        indices = np.asarray(image)
    agree = np.where(expected.labels < 0, 255, expected.labels) == indices
    assert agree.mean() > 0.999  # another process may round otherwise
    assert [entry["name"] for entry in result["classes"]] == list(expected.classes)
    assert [entry["index"] for entry in result["classes"] if entry["kept"]] == [*expected.kept]
    for entry in result["classes"]:
        assert entry["area"] == pytest.approx((indices == entry["index"]).mean(), abs=1e-6)
    assert result["settings"]["votes_per_pixel"] == 3
    assert result["timings"]["decode"] > 0
    with Image.open(overlay) as image:
        assert image.format == "PNG"
        assert image.size == (640, 427)


def test_p_and_k_have_defaults_and_classes_may_be_a_list(client):
    _, _, result = segment(client, CAT, ["cat", "dog, not cat", "sky"])
    assert [entry["name"] for entry in result["classes"]] == ["cat", "dog, not cat", "sky"]
    assert result["settings"]["kept_classes"] == 32
    assert result["settings"]["votes_per_pixel"] == 3


def test_only_the_named_endpoint_is_public_and_it_is_documented(client, url):
    description = client.view_api(return_format="dict", print_info=False)
    assert list(description["named_endpoints"]) == ["/segment"]
    assert not description["unnamed_endpoints"]
    endpoint = description["named_endpoints"]["/segment"]
    assert "Segment a photo with any words" in endpoint["description"]
    names = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoint["parameters"]]
    assert names == [
        ("image", False),
        ("classes", False),
        ("kept_classes", True),
        ("votes_per_pixel", True),
        ("threshold", True),
    ]
    with urllib.request.urlopen(f"{url}config", timeout=30) as answer:
        events = json.load(answer)["dependencies"]
    shown = [event["api_name"] for event in events if event["api_visibility"] != "private"]
    assert shown == ["segment"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": ""}, "No class was given"),
        ({"classes": None}, "No class was given"),
        ({"classes": ",".join(map(str, range(5000)))}, "5,000 classes were given; at most 1,000"),
        ({"classes": 7}, "not as int"),
        ({"kept_classes": 0}, "P"),
        ({"kept_classes": 2.5}, "whole number"),
        ({"kept_classes": "many"}, "not many"),
        ({"kept_classes": 10**400}, "number from 1 to 1,000"),
        ({"votes_per_pixel": 0}, "K"),
        ({"votes_per_pixel": None}, "K"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": "NaN"}, "threshold"),
        ({"image": None}, "no photo yet"),
        ({"image": {"path": str(CAT)}}, "has to be uploaded"),
        ({"image": {"path": "/etc/passwd"}}, "has to be uploaded"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(client, change, sentence):
    given = {"image": CHINA, "classes": "sky", **change}
    with pytest.raises(AppError) as refused:
        segment(client, **given)
    assert sentence in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert str(ROOT) not in str(refused.value)


def test_photos_that_cannot_be_used_get_a_sentence(client, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for name, sentence in (
        ("notes.jpg", "'notes.jpg' is not a photo that can be read"),
        ("dot.png", "The photo is 1 x 1 pixels; each side needs at least 16"),
    ):
        with pytest.raises(AppError) as refused:
            segment(client, tmp_path / name, "sky")
        assert sentence in str(refused.value)


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("path", [str(CAT), "/etc/passwd", "../../../etc/passwd"])
def test_no_file_of_the_server_can_be_asked_for(url, path, meta):
    """Without the client, which would upload a file of this name."""
    call = f"{url}gradio_api/call/segment"
    question = json.dumps({"data": [{"path": path, **meta}, "sky", 3, 3, 0]}).encode()
    post = urllib.request.Request(call, question, {"Content-Type": "application/json"})
    with urllib.request.urlopen(post, timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{call}/{event}", timeout=30) as answer:
        said = answer.read().decode()
    assert said.startswith("event: error")
    assert "complete" not in said


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "RGBA"), ("a.gif", "P"), ("a.jpg", "CMYK"), ("b.png", "I;16")]
)
def test_unusual_photos_are_segmented(client, tmp_path, name, mode):
    with Image.open(CHINA) as image:
        small = image.resize((90, 60))
    if mode == "I;16":
        small = Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 257)
    else:
        small = small.convert(mode)
    small.save(tmp_path / name)
    _, mask, _ = segment(client, tmp_path / name, "sky, tree")
    with Image.open(mask) as image:
        assert image.size == (90, 60)


def test_a_phone_photo_comes_back_upright_and_without_its_place(client, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[GPS] = {1: "N", 2: (52.0, 31.0, 12.0)}
    with Image.open(CHINA) as image:
        image.resize((320, 213)).rotate(90, expand=True).save(tmp_path / "phone.jpg", exif=exif)
    overlay, mask, _ = segment(client, tmp_path / "phone.jpg", "sky, tree")
    for path in (overlay, mask):
        with Image.open(path) as image:
            assert image.size == (320, 213)
            assert not image.getexif()
            assert not image.info


def test_visitors_at_the_same_time_get_their_own_answers(url, tmp_path):
    questions = [(CHINA, "temple, sky, tree"), (CAT, "cat, dog")] * 3

    def ask(question):
        photo, words = question
        client = Client(url, verbose=False, download_files=tmp_path)
        _, mask, result = segment(client, photo, words)
        with Image.open(mask) as image:
            return [entry["name"] for entry in result["classes"]], image.size

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, questions))
    assert answers == [(["temple", "sky", "tree"], (640, 427)), (["cat", "dog"], (451, 300))] * 3


def test_large_photos_are_shrunk_and_it_is_said():
    photo = np.zeros((3000, 4500, 3), np.uint8)
    small, notices = shrink(photo)
    assert small.shape == (round(LONGEST_SIDE * 2 / 3), LONGEST_SIDE, 3)
    assert notices == ["The photo was shrunk from 4500 x 3000 to 2048 x 1365 pixels."]
    same, notices = shrink(photo[:500, :500])
    assert same.shape == (500, 500, 3)
    assert notices == []
    assert min(shrink(np.zeros((16, 60000, 3), np.uint8))[0].shape[:2]) >= 16


def test_a_model_that_is_not_there_is_refused_at_once(tmp_path):
    for model, sentence in (
        ("errseg-huge", "no model 'errseg-huge'"),
        (tmp_path / "gone.safetensors", "no weights file"),
    ):
        with pytest.raises(InputError, match=sentence):
            Service(model)


def test_a_broken_model_is_told_to_whoever_asks(tmp_path):
    (tmp_path / "broken.safetensors").write_text("no tensors here")
    service = Service(tmp_path / "broken.safetensors")
    for _ in range(2):
        with pytest.raises(InputError, match=r"broken.safetensors is not a safetensors file"):
            service.answer(check_request(CAT, "cat"))


@pytest.fixture
def nasty_answer():
    """An answer whose names are what an attacker would type."""
    names = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "dog", "sky")
    labels = np.zeros((20, 20), np.int64)
    labels[:5], labels[5:6] = 1, -1
    result = Result(
        classes=names,
        labels=labels,
        scores=np.full((20, 20), 0.5, np.float32),
        kept=(0, 1),
        crm_scores=np.array([40, 20, 3.5, 0], np.float32),
        votes=np.array([[30, 9], [10, 1], [0, 30], [0, 0]]),
        ranking=np.zeros((2, 4, 10), np.int64),
        class_scores=np.full((2, 5, 5), 0.5, np.float32),
        notices=("Left out as repeated: <b>.",),
        settings=Settings("errseg-lite", "", 2, 2, 0.1, 0.0, (320, 480)),
        timings={"encode": 0.2, "decode": 0.1},
    )
    colors = result_colors(result)
    return Answer(result, colors, legend(result, colors), None, None)


def test_names_are_escaped_wherever_they_stand(nasty_answer):
    page = html.legend(nasty_answer) + html.ranking(nasty_answer) + html.notes(nasty_answer, "cpu")
    page += html.message("<b>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for raw in ("<img", "<script", "<b>"):
        assert raw not in page


def test_the_ranking_draws_p_between_kept_and_dropped(nasty_answer):
    page = html.ranking(nasty_answer)
    assert "CRM kept 2 of 4" in page
    before, after = page.split("P = 2: dropped from here on")
    assert before.count('class="state">kept<') == 2
    assert after.count('class="state">dropped<') == 2
    assert after.index("dog") < after.index("sky")


def test_the_legend_lists_what_is_present_and_what_is_none(nasty_answer):
    page = html.legend(nasty_answer)
    assert page.index("onerror") < page.index("alert(2)") < page.index("none of these")
    assert "70 %" in page
    assert "25 %" in page
    assert "dog" not in page

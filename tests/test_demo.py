"""The app's endpoint as programs use it, through the real client and server."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from app_server import start_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from odd_photos import PHONE, READABLE, REFUSED
from packed_arrays import unpack
from PIL import Image

import errseg
from errseg.checkpoints.stored_config import advised_threshold

ROOT = Path(__file__).resolve().parent.parent
CHINA = ROOT / "examples" / "china.jpg"
CAT = ROOT / "examples" / "cat.jpg"


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
    predictor = errseg.Predictor(errseg.load_model("errseg-lite", precision="auto"))
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


def test_only_the_named_endpoints_are_public_and_they_are_documented(client, url):
    description = client.view_api(return_format="dict", print_info=False)
    assert list(description["named_endpoints"]) == [
        *("/segment", "/attention", "/sweep", "/suggest", "/files"),
    ]
    assert not description["unnamed_endpoints"]
    expected = {
        "/segment": (
            "Segment a photo with any words",
            "image classes kept_classes votes_per_pixel threshold tiles closer_at".split(),
        ),
        "/attention": (
            "Ask what ESCF attends to from one pixel",
            "image classes x y kept_classes votes_per_pixel without_crm tiles closer_at".split(),
        ),
        "/sweep": (
            "Segment a photo with several values of P or K",
            "image classes over values kept_classes votes_per_pixel threshold tiles "
            "closer_at".split(),
        ),
        "/suggest": ("Suggest words for a photo", ["image", "count"]),
        "/files": (
            "take the result away as files",
            "image classes save kept_classes votes_per_pixel threshold tiles closer_at".split(),
        ),
    }
    for name, (sentence, parameters) in expected.items():
        endpoint = description["named_endpoints"][name]
        assert sentence in endpoint["description"]
        assert [p["parameter_name"] for p in endpoint["parameters"]] == parameters
    with urllib.request.urlopen(f"{url}config", timeout=30) as answer:
        events = json.load(answer)["dependencies"]
    shown = [event["api_name"] for event in events if event["api_visibility"] != "private"]
    assert shown == ["segment", "attention", "sweep", "suggest", "files"]


def test_attention_is_the_network_s_own(client):
    words, pixel = "temple | pagoda, tree, sky, lake | water", (300, 200)
    answer = client.predict(
        image=handle_file(str(CHINA)),
        classes=words,
        x=pixel[0],
        y=pixel[1],
        kept_classes=3,
        without_crm=True,
        api_name="/attention",
    )
    # The app tried once what is faster here, and may have been busy then.
    segmented = client.predict(image=handle_file(str(CHINA)), classes=words, api_name="/segment")
    precision = segmented[-1]["settings"]["precision"]
    predictor = errseg.Predictor(errseg.load_model("errseg-lite", precision=precision))
    expected = predictor.attention(CHINA, words, pixel, kept_classes=3)
    assert answer["kept"] == predictor.segment(CHINA, words, kept_classes=3).kept[0].tolist()
    # In bfloat16 a class's tokens depend in their last bits on those computed beside them, and the
    # app may remember them from another question.
    atol = 1e-4 if precision == "float32" else 0.02
    np.testing.assert_allclose(unpack(answer["spatial"]), expected.spatial.numpy(), atol=atol)
    np.testing.assert_allclose(unpack(answer["class"]), expected.classes.numpy(), atol=atol)
    spatial = unpack(answer["spatial"])
    np.testing.assert_allclose(spatial.sum(axis=(-2, -1)), 1, atol=0.01)  # 16 bits are sent
    assert answer["size"] == [427, 640]
    assert set(answer["present"]) <= set(answer["kept"])
    assert 0 < answer["share_without_crm"] <= 1
    assert 0 < answer["share"] <= 1
    cost = predictor.cost_view(CHINA, "tree")
    if 1 in answer["kept"]:
        place = answer["kept"].index(1)
        np.testing.assert_allclose(unpack(answer["cost16"])[place], cost.stride16[0], atol=1e-4)


def test_dropping_most_classes_gives_attention_to_those_found(client):
    """Proposition 1, on a real photo: twelve classes compete, three are kept."""
    answer = client.predict(
        image=handle_file(str(CHINA)),
        classes="temple, tree, sky, lake, sofa, cat, spoon, keyboard, banana, tie, oven, fork",
        x=300,
        y=200,
        kept_classes=3,
        without_crm=True,
        api_name="/attention",
    )
    assert answer["share"] > answer["share_without_crm"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": 640}, "outside the photo of 640 x 427"),
        ({"y": -1}, "outside the photo"),
        ({"x": 1.5}, "whole number"),
        ({"y": None}, "whole number"),
        ({"image": None}, "no photo yet"),
        (
            {"classes": ",".join(map(str, range(172))), "without_crm": True},
            "up to 171 classes; here are 172",
        ),
    ],
)
def test_attention_that_cannot_be_asked_gets_a_sentence(client, change, sentence):
    given = {"image": handle_file(str(CHINA)), "classes": "sky", "x": 1, "y": 1, **change}
    with pytest.raises(AppError) as refused:
        client.predict(**given, api_name="/attention")
    assert sentence in str(refused.value)


def test_a_sweep_over_p_says_what_changes(client):
    words = "temple, tree, sky, lake"
    pictures, steps = client.predict(
        image=handle_file(str(CHINA)), classes=words, over="P", values="4, 1, 99", api_name="/sweep"
    )
    assert [step["value"] for step in steps] == [1, 4]  # ascending; more than all is all
    assert [step["kept"] for step in steps] == [1, 4]
    assert len(pictures) == 2
    _, mask, _ = segment(client, CHINA, words, kept_classes=1)
    _, all_mask, _ = segment(client, CHINA, words, kept_classes=4)
    one, every = (np.asarray(Image.open(path)) for path in (mask, all_mask))
    assert steps[1]["changed"] == pytest.approx((one != every).mean(), abs=0.002)


def test_files_are_those_of_the_command(client):
    given = {"image": handle_file(str(CHINA)), "classes": "temple, tree, sky, lake"}
    paths = client.predict(**given, save="coco, masks,pdf", kept_classes=3, api_name="/files")
    files = {Path(path).name: Path(path) for path in paths}
    assert list(files) == [
        *("overlay.png", "mask.png", "coco.json", "masks.zip", "figure.pdf", "result.json")
    ]
    described = json.loads(files["result.json"].read_text(encoding="utf-8"))
    assert described["settings"]["kept_classes"] == 3
    _, mask, result = segment(client, CHINA, given["classes"], kept_classes=3)
    assert files["mask.png"].read_bytes() == Path(mask).read_bytes()
    assert [c["area"] for c in described["classes"]] == [c["area"] for c in result["classes"]]
    assert files["figure.pdf"].read_bytes().startswith(b"%PDF")
    only = client.predict(**given, save=[], api_name="/files")
    assert [Path(path).name for path in only] == ["overlay.png", "mask.png", "result.json"]
    every = client.predict(**given, api_name="/files")
    assert {"coco.json", "result.html", "figure.png"} < {Path(path).name for path in every}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"save": "gif"}, "/files can't write gif; it can write coco, masks"),
        ({"save": ["pdf", {"a": 1}]}, "/files can't write"),
        (
            {"classes": ",".join(map(str, range(300))), "kept_classes": 101, "save": "figure"},
            "up to 100 kept classes, not for 101; lower P, or do without the figure",
        ),
        ({"image": None}, "no photo yet"),
        ({"classes": ""}, "No class was given"),
    ],
)
def test_files_that_cannot_be_made_get_a_sentence(client, change, sentence):
    given = {"image": handle_file(str(CHINA)), "classes": "sky", "save": "coco", **change}
    with pytest.raises(AppError) as refused:
        client.predict(**given, api_name="/files")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"over": "Q"}, "over P or K"),
        ({"values": ""}, "1 to 12 values"),
        ({"values": "1, two"}, "whole numbers"),
        ({"values": "0, 1"}, "between 1 and"),
        ({"over": "K", "values": "99"}, "K lies between 1 and 10"),
    ],
)
def test_a_sweep_that_cannot_be_made_gets_a_sentence(client, change, sentence):
    given = {"image": handle_file(str(CHINA)), "classes": "sky", "over": "P", "values": "1"}
    with pytest.raises(AppError) as refused:
        client.predict(**{**given, **change}, api_name="/sweep")
    assert sentence in str(refused.value)


def test_words_are_suggested_as_the_predictor_suggests_them(client):
    words = client.predict(image=handle_file(str(CAT)), count=6, api_name="/suggest")
    expected = errseg.suggest_classes(errseg.Predictor(errseg.load_model("errseg-lite")), CAT, 6)
    # Another process may round otherwise.
    assert [word["name"] for word in words[:3]] == [one.name for one in expected[:3]]
    assert len(words) == 6
    assert words[0]["score"] == pytest.approx(expected[0].score, rel=0.02)
    assert words[0]["name"] in words[0]["synonyms"]
    by_default = client.predict(image=handle_file(str(CAT)), api_name="/suggest")
    assert by_default[:6] == words
    assert len(by_default) == 12


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": 0}, "1 to 100 words"),
        ({"count": 1.5}, "whole number"),
        ({"count": None}, "whole number"),
        ({"image": None}, "no photo yet"),
        ({"image": {"path": "/etc/passwd"}}, "has to be uploaded"),
    ],
)
def test_words_that_cannot_be_suggested_get_a_sentence(client, change, sentence):
    with pytest.raises(AppError) as refused:
        client.predict(
            **{"image": handle_file(str(CAT)), "count": 6, **change}, api_name="/suggest"
        )
    assert sentence in str(refused.value)


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


@pytest.mark.parametrize(("name", "sentence"), REFUSED.items())
def test_photos_that_cannot_be_used_get_a_sentence(client, odd_photos, name, sentence):
    with pytest.raises(AppError) as refused:
        segment(client, odd_photos[name], "sky")
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


@pytest.mark.parametrize("name", READABLE)
def test_unusual_photos_are_segmented(client, odd_photos, name):
    _, mask, _ = segment(client, odd_photos[name], "sky, tree")
    with Image.open(mask) as image:
        assert image.size == (90, 60)


def test_a_phone_photo_comes_back_upright_and_without_its_place(client, odd_photos):
    overlay, mask, _ = segment(client, odd_photos[PHONE], "sky, tree")
    for path in (overlay, mask):
        with Image.open(path) as image:
            assert image.size == (320, 213)
            assert not image.getexif()
            assert not image.info


def test_visitors_at_the_same_time_get_their_own_answers(url, client, tmp_path):
    """Two vocabularies of one photo, from clients that start together, again and again."""
    words = ("temple, sky, tree", "lake, boat, city, water")
    alone = [segment(client, CHINA, own, kept_classes=2) for own in words]
    start = Barrier(len(words))

    def ask(own):
        own_client = Client(url, verbose=False, download_files=tmp_path / own)
        start.wait()
        return [segment(own_client, CHINA, own, kept_classes=2) for _ in range(3)]

    with ThreadPoolExecutor(len(words)) as pool:
        together = list(pool.map(ask, words))
    for (_, mask, expected), answers in zip(alone, together, strict=True):
        for _, own_mask, result in answers:
            assert result["classes"] == expected["classes"]
            assert result["none_area"] == expected["none_area"]
            assert Path(own_mask).read_bytes() == Path(mask).read_bytes()


def test_a_question_without_a_threshold_has_the_model_s_own(client):
    own = advised_threshold("errseg-lite")
    _, _, result = segment(client, CAT, "cat, dog")
    assert result["settings"]["threshold"] == own
    _, _, result = segment(client, CAT, "cat, dog", threshold=None)
    assert result["settings"]["threshold"] == own
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name in ("/segment", "/sweep"):
        (threshold,) = (
            p for p in described[name]["parameters"] if p["parameter_name"] == "threshold"
        )
        assert threshold["parameter_default"] == own

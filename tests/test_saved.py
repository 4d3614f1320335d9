"""Files that are taken away: by the page and the endpoint alike."""

import dataclasses
import json
import zipfile
from html import unescape

import gradio as gr
import numpy as np
import pypdfium2
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from errseg.demo.backend import links, saved
from errseg.demo.backend.batch import save_answer
from errseg.demo.backend.budget import Budget, Price
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page import endpoints
from errseg.errors import InputError
from errseg.pictures.export import RUN_LENGTHS, run_lengths
from errseg.pictures.files import FORMATS, check_formats

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ALWAYS = ["overlay.png", "mask.png"]
FILES = {
    "coco": "coco.json",
    "masks": "masks.zip",
    "cutouts": "cutouts.zip",
    "index": "index.png",
    "html": "result.html",
    "figure": "figure.png",
    "pdf": "figure.pdf",
}


@pytest.fixture
def request_():
    return check_request("a/b c.jpg", "dog, sky", model="errseg-lite", threshold=0.25)


def test_files_hold_what_they_should(answer, attention, tmp_path, request_):
    paths = saved.save_to_take_away([*FORMATS], answer, attention, tmp_path, request_)
    files = {path.name: path for path in paths}
    assert list(files) == [*ALWAYS, *(FILES[name] for name in FORMATS), "result.json"]
    with Image.open(files["figure.png"]) as figure:
        assert min(figure.size) > 2000
        assert not figure.getexif()
    with Image.open(files["mask.png"]) as mask:
        assert mask.mode == "P"
        labels = np.where(answer.result.labels < 0, 255, answer.result.labels)
        assert np.array_equal(np.asarray(mask), labels)
    document = pypdfium2.PdfDocument(files["figure.pdf"])
    assert len(document) == 1
    document.close()
    page = unescape(files["result.html"].read_text(encoding="utf-8"))
    threshold = answer.result.settings.threshold
    assert links.command(request_.changed(threshold=threshold), "b_c.jpg") in page
    coco = json.loads(files["coco.json"].read_text(encoding="utf-8"))
    assert coco["images"][0]["file_name"] == "b c.jpg"
    assert coco["info"]["run_lengths"].startswith(RUN_LENGTHS)
    described = json.loads(files["result.json"].read_text(encoding="utf-8"))
    assert described["classes"][0]["rle"] == run_lengths(answer.result.labels == 0)
    assert "rle" not in described["classes"][2]
    assert described["attention_query"] == [30, 10]
    assert described["files"] == [path.name for path in paths[:-1]]
    assert {*described["how_to_read"]} == {*files}
    assert not [p for p in paths if str(tmp_path).encode() in p.read_bytes()]


def test_a_folder_s_pictures_come_packed(answer, tmp_path, request_):
    *_, masks, cutouts, _ = saved.save_to_take_away(
        ["masks", "cutouts"], answer, None, tmp_path, request_
    )
    for packed, mode in ((masks, "L"), (cutouts, "RGBA")):
        with zipfile.ZipFile(packed) as file:
            names = file.namelist()
            assert len(names) == len({*names}) == 2
            for name in names:
                folder, number = name.split("/")
                assert f"{folder}.zip" == packed.name
                with Image.open(file.open(name)) as picture:
                    assert picture.mode == mode
                    values = np.asarray(picture)
                own = answer.result.labels == int(number.split("_")[0].removesuffix(".png"))
                assert ((values if mode == "L" else values[..., 3]) > 0).sum() == own.sum()


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_alone(name, answer, attention, tmp_path, request_):
    known = attention if saved.needs_attention([name]) else None
    paths = saved.save_to_take_away([name], answer, known, tmp_path, request_)
    assert [path.name for path in paths] == [*ALWAYS, FILES[name], "result.json"]
    described = json.loads(paths[-1].read_text(encoding="utf-8"))
    assert described["run_lengths"] == RUN_LENGTHS
    assert ("attention_query" in described) == (known is not None)


def test_an_independent_reader_reads_the_run_lengths_as_the_json_says(answer, tmp_path, request_):
    *_, path = saved.save_to_take_away([], answer, None, tmp_path, request_)
    described = json.loads(path.read_text(encoding="utf-8"))
    for entry in described["classes"]:
        if "rle" in entry:
            height, width = entry["rle"]["size"]
            encoded = coco_masks.frPyObjects(entry["rle"], height, width)
            own = answer.result.labels == entry["index"]
            assert np.array_equal(coco_masks.decode(encoded), own)


def test_formats_are_checked():
    assert check_formats(["pdf", "coco", "pdf"], "x") == ("pdf", "coco")
    for odd in (True, 1000000, "coco", None):
        with pytest.raises(InputError, match="x needs a list of formats, of coco, "):
            check_formats(odd, "x")
    for wrong in ("gif", None, ["coco"], {}, "PDF", "x" * 10_000):
        with pytest.raises(InputError) as refused:
            check_formats(["coco", wrong], "/files")
        assert str(refused.value).startswith("/files can't write ")
        assert "it can write coco, masks" in str(refused.value)
        assert len(str(refused.value)) < 200


def test_drawing_costs_and_is_refused_over_the_budget(lite_weights, photo_file, tmp_path):
    every, some = (saved.price_of(kinds, (900, 1200), 9) for kinds in ([*FORMATS], ["coco"]))
    assert every.seconds > some.seconds + 3
    larger = saved.price_of(["masks"], (1800, 1200), 9).seconds
    assert larger == pytest.approx(2 * saved.price_of(["masks"], (900, 1200), 9).seconds)
    service = Service(Models(lite_weights, "cpu"), budget=Budget(seconds=1.0))
    request = check_request(photo_file, "cat, sky", input_size=128)
    assert service.draw(request, Price(0.1), lambda: "drawn") == "drawn"
    with pytest.raises(InputError, match="at most 1 are allowed"):
        saved.take_away(service, request, ["figure"], tmp_path)
    paths = saved.take_away(service, request, ["coco"], tmp_path)
    assert [path.name for path in paths] == [*ALWAYS, "coco.json", "result.json"]
    assert not [path for path in paths if b"photo_file" in path.read_bytes()]


def test_a_mask_of_a_large_photo_is_drawn_in_its_turn_at_a_price(
    lite_weights, photo_file, answer, monkeypatch, tmp_path
):
    """Masks in files have the photo's own size, which may be twenty times what was looked at."""
    service, turns, size = Service(Models(lite_weights, "cpu")), [], (400, 800)
    result = dataclasses.replace(answer.result, own_size=size)
    answers = [answer, dataclasses.replace(answer, result=result)]
    monkeypatch.setattr(endpoints, "uploaded", lambda image: image)
    monkeypatch.setattr(service, "draw", lambda _, price, work: turns.append(price) or work())
    with gr.Blocks() as page:
        endpoints.add_endpoints(service)
    segment = next(f.fn for f in page.fns.values() if f.name == "segment")
    request = check_request(photo_file, "cat, sky")
    for number, given in enumerate(answers):
        monkeypatch.setattr(service, "answer", lambda *_, given=given: given)
        _, mask, _ = segment(str(photo_file), "cat, sky", 32, 3, 0, 1, "")
        folder = tmp_path / str(number)
        save_answer(service, request, given, (), folder)
        assert Image.open(mask).size == Image.open(folder / "mask.png").size
        assert len(turns) == 2 * number  # a small mask needs no turn
        assert (Image.open(mask).size == size[::-1]) is (number == 1)
    saved.take_away(service, request, ["index"], tmp_path)
    one = saved.mask_price(size)
    assert turns == [one, one, Price(2 * one.seconds, one.bytes)]
    assert saved.mask_price((6000, 8000)).seconds == pytest.approx(150 * one.seconds)
    assert saved.mask_price((6000, 8000)).bytes == 150 * one.bytes > 10**7


def test_files_of_many_photos_are_priced_together(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu"), budget=Budget(seconds=60.0))
    asked = [check_request(photo_file, "cat, sky", input_size=128)] * 3
    service.settle_all(asked, same_photo=False, what="photos")
    with pytest.raises(InputError, match="photos at a time would fit"):
        service.settle_all(asked, False, "photos", beside=lambda prices, size: Price(25.0))
    prices = service.models.loaded_for(asked[0]).prices
    every = saved.price_beside([*FORMATS], prices, asked[0], (1536, 2048))
    some = saved.price_beside(["coco"], prices, asked[0], (1536, 2048))
    assert some == Price()
    drawing = saved.price_of([*FORMATS], (1536, 2048), 2)
    assert every.seconds > drawing.seconds  # attention too


def test_too_many_classes_for_attention_are_refused_before_any_work(tmp_path):
    words = ", ".join(map(str, range(200)))
    request = check_request("x.png", words, kept_classes=150)
    with pytest.raises(InputError, match="do without the figure"):
        saved.take_away(None, request, ["pdf"], tmp_path)

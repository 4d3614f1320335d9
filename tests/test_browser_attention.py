"""Attention live in a real browser: the network's own maps, under a cross that asks nothing."""

import base64
import io
import json
import statistics

import numpy as np
import pytest
from browser_page import EXAMPLES, IN_BROWSER, ROOT, By, Keys
from PIL import Image

import errseg
from errseg.demo.backend import view
from errseg.demo.backend.one_photo import OnePhotoService
from errseg.demo.backend.request import check_request
from errseg.demo.backend.static_files import shared_scripts
from errseg.inference.photo import load_image

pytestmark = IN_BROWSER
WITHIN = 0.01  # of a row's largest weight
ALIKE = 8  # mean levels of 255 between two drawings of one map
FRAME = 33  # milliseconds that a frame may take, 30 a second
SLOWER = 4  # times a frame that a busy machine may take
PIXELS = ((0, 0), (225, 150), (300, 290), (450, 10))
UNPACK = """
const [parts, done] = arguments;
window.packs = {};
Promise.all(parts.flatMap((part) => part.classes).map(async (sent) => {
  window.packs[sent.index] = await window.errsegAttention.unpackClass(sent);
})).then(() => done(true), (error) => done(String(error)));
"""
ROWS = """
const [index, name, layer, head, point, data] = arguments;
const {cellAt, spatialRow, averageRow} = window.errsegAttention;
const parts = window.packs[index][name];
const row = spatialRow(parts, layer, head, cellAt(point, data.grids.query, data.size));
return [[...row], [...averageRow(parts, layer, head)]];
"""
BETWEEN = """
const [index, data, layer, head, point] = arguments;
const {cellAt, classRow, pooledCell} = window.errsegAttention;
const {query, classes} = data.grids;
const sizes = {kept: data.kept.length, heads: data.heads, cells: classes[0] * classes[1]};
const cell = pooledCell(cellAt(point, query, data.size), query, classes, data.reduction);
return [...classRow(window.packs[index].classes, sizes, layer, head, cell)];
"""
HOVER = """
const done = arguments[0], canvas = document.querySelector('#errseg-masks canvas'), taken = [];
function next() {
  if (taken.length === 20) return done(taken);
  const box = canvas.getBoundingClientRect(), started = performance.now();
  canvas.dispatchEvent(new PointerEvent('pointermove', {
    clientX: box.left + box.width * (0.4 + 0.02 * taken.length),
    clientY: box.top + box.height * 0.1,
  }));
  const look = () => {
    if (!(window.errseg.drawn > started)) return setTimeout(look, 0);
    taken.push(window.errseg.drawn - started);
    return setTimeout(next, 0);
  };
  return look();
}
next();
"""


def of_head(weights, head):
    """The weights (heads, ...) of a head, or their mean."""
    return weights.mean(axis=0) if head == "mean" else weights[int(head)]


def test_the_browser_s_maps_are_the_network_s(browser):
    """Of several pixels, classes, layers and heads, with CRM and without."""
    photo = load_image(ROOT / "examples" / "cat.jpg")
    request = check_request("cat.jpg", "cat, dog, blanket, pillow, wall, sky", kept_classes=4)
    service = OnePhotoService(errseg.Predictor(errseg.load_model("errseg-lite")), photo)
    kept = service.attention(request, None).kept
    told = service.attention(request, None, without_crm=True, everywhere=kept)
    data, parts = view.attention(told), view.queries(told)
    browser.get("about:blank")
    for script in shared_scripts():
        browser.execute_script(script)
    assert browser.execute_async_script(UNPACK, json.loads(json.dumps(parts))) is True
    height, width = photo.shape[:2]
    for pixel in PIXELS:
        point = [(pixel[0] + 0.5) / width, (pixel[1] + 0.5) / height]
        one = service.attention(request, pixel, without_crm=True)
        for place, index in ((0, kept[0]), (3, kept[3])):
            for layer, head in ((0, "mean"), (0, "2"), (1, "0"), (1, "mean")):
                sides = [("spatial", one.attention.spatial[layer, place])]
                if layer:
                    sides.append(("without", one.everything.spatial[layer, index]))
                for name, weights in sides:
                    expected = of_head(weights.flatten(1).numpy(), head)
                    found, average = browser.execute_script(
                        ROWS, index, name, layer, head, point, data
                    )
                    assert np.abs(found - expected).max() <= WITHIN * expected.max()
                    assert sum(average) == pytest.approx(1, abs=1e-3)
                expected = of_head(one.attention.classes[layer, :, place].numpy(), head)
                found = browser.execute_script(BETWEEN, index, data, layer, head, point)
                assert np.abs(found - expected).max() <= WITHIN * expected.max()


def decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB")


def distance(page, map_, shown=None):
    """How far a picture, by default the large one, is from a map: mean levels of 255."""
    picture = (shown or decoded(page.picture())).resize(map_.size, Image.Resampling.BOX)
    return np.abs(np.asarray(picture).astype(int) - np.asarray(map_)).mean()


def live(page):
    """Wait until queries and keys are there and the maps are drawn."""
    page.wait(lambda: page.run("return window.errseg?.queries?.classes?.size"))
    page.wait(lambda: " on " in page.text(".errseg-said"))


def pinned(page):
    return bool(page.find("#errseg-masks .errseg-cross.pinned"))


def test_the_cross_moves_the_maps_without_asking_the_server(page):
    page.open().finished()
    live(page)
    requests = page.requests()
    taken = page.browser.execute_async_script(HOVER)
    print(f"hover to drawn attention: {statistics.median(taken):.1f} ms")  # noqa: T201
    assert statistics.median(taken) < SLOWER * FRAME
    assert page.requests() == requests
    page.point(0.6, 0.1)
    first = page.wait(lambda: page.picture("attention"))
    name = page.text("#errseg-masks .errseg-readout b")
    page.wait(lambda: f"on {name}" in page.text(".errseg-said"))
    assert "farther than a quarter of the photo" in page.text(".errseg-said")
    assert "30 \u00d7 more" in page.text(".errseg-times")
    page.point(0.6, 0.2, click=True)
    page.wait(lambda: pinned(page) and page.picture("attention") != first)
    held = page.picture("attention")
    page.point(0.9, 0.1)
    assert page.picture("attention") == held
    page.find("#errseg-masks canvas")[0].send_keys(Keys.ESCAPE)
    page.wait(lambda: not pinned(page))
    page.point(0.9, 0.1)
    page.wait(lambda: page.picture("attention") != held)
    canvas = page.find(".errseg-maps canvas")[0]
    before = page.run("return window.errseg.point")
    canvas.send_keys(Keys.ARROW_LEFT)
    assert page.run("return window.errseg.point[0]") < before[0]
    selects = page.find("#errseg-attention select")
    now = page.picture("attention")
    selects[1].find_elements(By.CSS_SELECTOR, "option")[1].click()  # a head
    page.wait(lambda: page.picture("attention") != now)
    for choice in page.find(".errseg-choice input"):  # what is special, smooth
        now = page.picture("attention")
        choice.click()
        page.wait(lambda now=now: page.picture("attention") != now)
    # The large picture shows the first layer's map on demand, with its numbers and scale.
    masks = decoded(page.picture())
    page.find("#errseg-masks select")[0].send_keys("where")
    said = page.texts(".errseg-live .errseg-said")[0]
    page.wait(lambda: page.text(".errseg-looks p") == f"Its attention: {said}")
    assert "average" in page.text(".errseg-looks .errseg-times")
    first = decoded(page.picture("attention"))
    assert distance(page, first) < ALIKE < distance(page, first, masks)
    # The classes that are seen and not here yet are asked for, once.
    seen = {index for index, *_ in page.data("masks")["legend"]}
    page.wait(lambda: seen <= {*page.run("return [...window.errseg.queries.classes.keys()]")})
    page.wait(lambda: not page.find(".errseg-live[aria-busy]"))
    requests = page.requests()
    for point in ((0.3, 0.5), (0.8, 0.6)):  # temple, lake
        page.point(*point)
        page.wait(lambda first=first: distance(page, first) > ALIKE)
        page.wait(lambda: distance(page, decoded(page.picture("attention"))) < ALIKE)
        first = decoded(page.picture("attention"))
    assert page.requests() == requests
    page.find("#errseg-attention .errseg-more summary")[1].click()  # heads and layers
    page.wait(lambda: len(page.find(".errseg-tile canvas")) >= 8)


def test_other_classes_come_when_they_are_chosen_and_crm_is_switched_off(page):
    page.open("?example=china&kept=3&threshold=0").finished()
    live(page)
    here = page.run("return [...window.errseg.queries.classes.keys()]")
    data = page.data("attention")
    assert set(here) == set(data["kept"])
    assert "goes to the" in page.text(".errseg-share")
    assert "without" not in page.text(".errseg-share")
    page.find(".errseg-switch")[0].click()
    page.wait(lambda: "without (P = T = 6)" in page.text(".errseg-share"))
    page.wait(lambda: "without CRM" in page.text(".errseg-maps"))
    shown = [m for m in page.find(".errseg-comparison canvas") if m.is_displayed()]
    assert len(shown) == 3  # with, without, and what is between them
    page.find(".errseg-switch")[0].click()
    page.wait(lambda: not [m for m in page.find(".errseg-comparison canvas") if m.is_displayed()])
    page.show("queries", view.refused_queries("This would take too long."))
    page.wait(lambda: page.text("#errseg-attention [role=status]") == "This would take too long.")
    # What the server refuses is said at the panel that asked.
    page.show("attention", {**data, "size": [-100, -100], "pixel": [-50, -50]})
    page.wait(lambda: page.run("return window.errseg.look?.said"))
    page.point(0.5, 0.5, click=True)
    message = page.wait(lambda: page.find("#errseg-attention-message .errseg-message"))[0]
    assert "two whole numbers" in message.text
    panel = page.find("#errseg-attention .errseg-panel")[0].rect
    assert panel["y"] - 80 < message.rect["y"] < panel["y"]
    assert message.rect["x"] >= panel["x"]
    rows = page.data("ranking")
    page.show("ranking", {**rows, "rows": [{**row, "index": 999} for row in rows["rows"]]})
    page.wait(lambda: page.find("#errseg-ranking [data-control='class 999']"))[0].click()
    message = page.wait(lambda: page.find("#errseg-cost-message .errseg-message"))[0]
    assert "no class" in message.text.lower()
    panel = page.find("#errseg-ranking .errseg-panel")[0].rect
    assert 0 < message.rect["y"] - panel["y"] - panel["height"] < 80
    assert message.rect["x"] == panel["x"]


def test_a_class_that_is_not_here_is_asked_for_once(page):
    page.open().finished()
    live(page)
    here = page.run("return [...window.errseg.queries.classes.keys()]")
    data = page.data("attention")
    other = next(index for index in data["kept"] if index not in here)
    assert page.find(".errseg-switch")[0].get_attribute("disabled")  # all are kept
    assert f"All {len(EXAMPLES[0]['classes'].split(','))} classes are kept" in page.text(
        ".errseg-reason"
    )

    def choose(index):
        name = data["names"][index]
        options = page.find("#errseg-attention select option")
        next(option for option in options if option.text == name).click()
        page.wait(lambda: f"on {name} (" in page.text(".errseg-said"))

    choose(other)
    page.wait(lambda: page.find(".errseg-bars li:not([hidden])"))
    requests = page.requests()
    choose(here[0])
    choose(other)
    assert page.requests() == requests

"""The picture first: how the page is laid out, and what can be done with picture and legend."""

import base64
import io
import itertools
import math

import numpy as np
import pytest
from browser_page import IN_BROWSER
from packed_arrays import unpack_runs
from PIL import Image

from errseg.pictures.masks import file_name

pytestmark = IN_BROWSER
LEAST_TARGET = 24
"""Pixels of a control's height, WCAG 2.2 AA."""
NO_CLASS = 0xFFFF
BOX = "return arguments[0].getBoundingClientRect().toJSON()"
SMALL = """
return [...document.querySelectorAll('button, input, select, summary, textarea')]
  .filter((one) => one.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}))
  .filter((control) => !control.disabled && !control.closest('footer'))
  .map((control) => [control.outerHTML.slice(0, 120),
    (control.closest('label:has([type=checkbox], [type=radio])') ?? control)
      .getBoundingClientRect().height])
  .filter(([, height]) => height > 1 && height < arguments[0]); // of one pixel: for listeners only
"""
AS_PNG = """
const [uri, done] = arguments;
const image = new Image();
image.src = uri;
image.decode().then(() => {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width: image.naturalWidth, height: image.naturalHeight});
  canvas.getContext('2d').drawImage(image, 0, 0);
  done(canvas.toDataURL());
});
"""
DOWNLOAD = """
const done = arguments[arguments.length - 1];
HTMLAnchorElement.prototype.click = async function () {
  const bytes = new Uint8Array(await (await fetch(this.href)).arrayBuffer());
  done([this.download, btoa(String.fromCharCode(...bytes))]);
};
arguments[0].click();
"""


def box(page, css):
    return page.run(BOX, page.find(css)[0])


def decoded(uri):
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def labels_of(data):
    return unpack_runs(data["labels"])


def control(page, name):
    return page.find(f'#errseg-legend [data-control="{name}"]')[0]


def is_focused(page, name):
    at = "return document.activeElement.dataset.control"
    return page.run(at) == name


def test_the_picture_comes_first_in_every_window(page):
    page.set_size(1366, 650)
    page.open().finished()
    assert page.run("return window.scrollY") == 0
    for css in ("#errseg-masks canvas", "#errseg-classes textarea", "#errseg-run", "#errseg-knobs"):
        assert box(page, css)["bottom"] <= 650, css
    rows = page.find("#errseg-legend li")
    assert all(page.run(BOX, row)["bottom"] <= 650 for row in rows)
    assert box(page, "#errseg-masks canvas")["width"] > 1366 / 2 - 10
    assert not page.find("#errseg-photo img")[0].is_displayed()  # the photo is there once

    page.set_size(768, 900)
    page.list_classes()
    page.find("#errseg-ranking .errseg-kind")[0].click()  # the table
    for slider in page.find("#errseg-knobs .block"):
        frame, (track,) = (
            page.run(BOX, slider),
            slider.find_elements("css selector", "[type=range]"),
        )
        assert frame["left"] < page.run(BOX, track)["left"]
        assert page.run(BOX, track)["right"] < frame["right"]
        assert page.run("return arguments[0].scrollWidth <= arguments[0].clientWidth", slider)
    page.wait(lambda: page.find("#errseg-ranking table"))
    listed = page.find("#errseg-ranking .errseg-ranking")[0]
    assert page.run("return arguments[0].scrollWidth <= arguments[0].clientWidth", listed)

    page.set_size(390, 844)
    order = (
        "#errseg-masks canvas",
        "#errseg-classes",
        "#errseg-run",
        "#errseg-legend",
        "#errseg-tabs",
    )
    tops = [box(page, css)["top"] for css in order]
    assert tops == sorted(tops)
    for css in ("#errseg-knobs", "#errseg-vocabulary", "#errseg-ranking", "#errseg-attention"):
        assert not [one for one in page.find(css) if one.is_displayed()], css  # folded
    assert page.run(SMALL, LEAST_TARGET) == []
    page.unfold()
    page.find("#errseg-fold button")[0].click()
    page.wait(lambda: page.find("#errseg-ranking")[0].is_displayed())
    assert page.find("#errseg-knobs")[0].is_displayed()
    assert page.run(SMALL, LEAST_TARGET) == []


def test_the_legend_hides_shows_alone_puts_in_the_spotlight_and_cuts_out(page):
    page.open().finished()
    data = page.data("masks")
    labels = labels_of(data)
    # As this browser decodes it: decoders differ by a few grey levels.
    photo = decoded(page.browser.execute_async_script(AS_PNG, data["photo"]))[..., :3]
    index, *_ = data["legend"][-1]  # the smallest: most outlines are of others
    name = data["names"][index]

    control(page, f"toggle {name}").click()
    assert is_focused(page, f"toggle {name}")
    control(page, f"toggle {name}").click()
    control(page, f"solo {name}").click()
    assert is_focused(page, f"solo {name}")
    own = np.pad(labels == index, 1)  # it may reach the photo's border
    rows, columns = labels.shape
    shifts = itertools.product(range(3), repeat=2)
    around = np.any([own[y : y + rows, x : x + columns] for y, x in shifts], axis=0)
    alone = decoded(page.picture())[..., :3]
    cross = 20  # where the query is, see the canvas
    far = ~around
    shares = page.run("return window.errseg.point ?? window.errseg.query")
    x, y = (round(share * side) for share, side in zip(shares, labels.shape[::-1], strict=True))
    far[max(y - cross, 0) : y + cross, max(x - cross, 0) : x + cross] = False
    assert (
        np.abs(alone - photo)[far].max() <= 1
    )  # the photo as it is: no outlines of what is hidden
    control(page, f"solo {name}").click()

    control(page, f"open {name}").click()
    assert is_focused(page, f"open {name}")
    page.wait(lambda: page.find("#errseg-legend .actions"))
    control(page, f"spotlight {name}").click()
    lit = decoded(page.picture())[..., :3]
    assert np.ptp(lit[far], axis=-1).max() <= 1  # grey
    own = (labels == index) & around & ~edges(labels)
    assert np.abs(lit - photo)[own].max() <= 1
    assert page.texts(".errseg-plates span") in ([name], [])

    saved, content = page.browser.execute_async_script(DOWNLOAD, control(page, f"save {name}"))
    assert saved == file_name(index, name)
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture).astype(int)
    rows, columns = np.nonzero(labels == index)
    window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    cut = labels[window] == index
    assert np.array_equal(pixels[..., 3], cut * 255)
    assert np.abs(pixels[..., :3] - photo[window])[cut].max() <= 1
    assert not pixels[~cut].any()

    # A new question begins anew: no probability map of an old class, nothing hidden.
    select = page.find("#errseg-masks select")[0]
    select.send_keys(name)
    page.wait(lambda: page.find("#errseg-masks select")[0].get_property("value") == name)
    page.type_classes(f"{name}, sky")
    page.press_segment()
    page.wait(lambda: page.data("masks")["names"] == [name, "sky"])
    page.wait(lambda: page.chosen("#errseg-masks select") == "masks")
    assert not page.find("#errseg-legend .off, #errseg-legend .actions")


def edges(labels):
    found = np.zeros(labels.shape, bool)
    found[:, :-1] = labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return found


@pytest.mark.parametrize("size", [(250, 3000), (3000, 250)], ids=str)
def test_a_long_photo_stays_within_the_window_and_is_read_where_it_is_pointed_at(
    page, tmp_path, size
):
    width, height = size
    ramp = np.linspace(0, 255, height)[:, None] + np.zeros((1, width))
    Image.fromarray(np.stack([ramp, ramp[::-1], ramp], -1).astype(np.uint8)).save(
        tmp_path / "long.png"
    )
    page.open("?threshold=0.3").finished()
    page.set_photo(tmp_path / "long.png")
    page.wait(lambda: "long.png" in page.data("masks")["question"]["photo"])
    page.settle()
    canvas = box(page, "#errseg-masks canvas")
    assert canvas["height"] <= 0.7 * 900 + 1
    assert canvas["width"] / canvas["height"] == pytest.approx(width / height, rel=0.05)
    # Below it two rows of maps are at most as high.
    assert page.run("return document.documentElement.scrollHeight") < 4 * 900
    data = page.data("masks")
    labels = labels_of(data)
    for x, y in ((0.5, 0.06), (0.5, 0.5), (0.4, 0.93)):
        page.point(x, y)
        said = page.wait(lambda: page.text("#errseg-masks .errseg-readout") or None)
        row, column = int(y * labels.shape[0]), int(x * labels.shape[1])
        reach = math.ceil(max(labels.shape) / max(canvas["width"], canvas["height"])) + 1
        nearby = labels[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) :]
        names = {"none of these" if i == NO_CLASS else data["names"][i] for i in np.unique(nearby)}
        assert any(said.startswith(name) for name in names), (said, names)


def test_crm_says_in_one_line_that_it_keeps_all_and_when_p_exceeds_the_photo(page):
    page.open().finished()
    assert not [bar for bar in page.find(".errseg-bar") if bar.is_displayed()]
    assert "none is dropped" in page.text("#errseg-ranking summary")
    many = ",+".join(f"thing+{number}" for number in range(23))
    page.open(f"?example=cat&classes=cat,+{many}&kept=22&votes=1")
    page.wait(lambda: "CRM kept 22 of 24" in page.text("#errseg-ranking h2"))
    data = page.data("ranking")
    unvoted = [row for row in data["rows"] if row["rank"] <= 22 and not any(row["votes"])]
    assert len(unvoted) > 1
    assert f"{len(unvoted)} kept classes have no pixel's vote" in page.text(".errseg-exceeds")
    assert len(page.find(".errseg-bar.unvoted")) == len(unvoted)
    assert "First votes count 1." in page.text("#errseg-ranking .errseg-hint")
    voted = [row["score"] for row in data["rows"] if row["score"] > 0]
    shares = page.run(
        "return [...document.querySelectorAll('.errseg-bar .track')].map((track) =>"
        " (track.firstChild?.getBoundingClientRect().width ?? 0)"
        " / track.getBoundingClientRect().width)"
    )[: len(voted)]
    least, most = math.floor(math.log10(min(voted))), math.ceil(math.log10(max(voted)))
    expected = [(math.log10(score) - least) / (most - least) for score in voted]
    assert shares == pytest.approx(expected, abs=0.05)


def open_three_classes(page, threshold):
    """Open a link and wait for its answer; the stored opening comes before it."""
    page.open(f"?example=china&kept=3&threshold={threshold}").finished()
    page.wait(lambda: "CRM kept 3 of" in page.text("#errseg-ranking h2"))
    page.settle()


def shown_now(page):
    """All that a threshold changes, as it is drawn."""
    page.point(0.5, 0.3)
    readout = page.wait(lambda: page.text("#errseg-masks .errseg-readout") or None)
    page.list_classes()
    if not page.find("#errseg-ranking table"):
        page.run("document.querySelector('#errseg-ranking .errseg-kind').click()")
    places = (
        "return [...document.querySelectorAll('.errseg-plates span')].map((p) => p.style.cssText)"
    )
    drawn = page.picture(), page.run(places), page.text("#errseg-ranking table")
    return *drawn, page.texts(".errseg-legend li"), readout


def test_a_new_threshold_draws_what_a_whole_answer_would(page):
    """It is sent in parts: labels, legend, plates, colours and shares."""
    open_three_classes(page, 0.9)
    expected = shown_now(page)
    assert "none of these" in page.legend()
    open_three_classes(page, 0)
    before = page.seen()
    page.find(".errseg-pipeline-fold summary")[0].click()
    page.find(".errseg-measure")[0].click()
    page.wait(lambda: f"of {len(before)} classes found" in page.text("#errseg-figure2"))
    page.set_number("#errseg-threshold", 0.9)
    page.wait(lambda: "none of these" in page.legend())
    page.settle()
    assert "photo" not in page.data("masks")
    assert shown_now(page) == expected
    # Every number of classes is that of the legend; what was measured of others is gone.
    few = page.seen()
    assert few < before
    page.wait(lambda: f"goes to the {len(few)} found" in page.text(".errseg-share"))
    count = f"masks: {len(few)} class"
    page.wait(lambda: count in page.text(".errseg-pipeline button:last-child"))
    page.find(".errseg-measure")[0].click()
    page.wait(lambda: f"of {len(few)} classes found" in page.text("#errseg-figure2"))
    # A browser without the rest is sent all of it.
    page.run(
        "document.querySelector('#errseg-masks [data-view]').dataset.view ="
        " JSON.stringify({needs: {of: 'another'}, changes: {legend: []}})"
    )
    page.wait(lambda: "photo" in page.data("masks"))
    page.settle()
    assert shown_now(page) == expected

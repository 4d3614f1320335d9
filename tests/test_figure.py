"""The figure's maps share one scale, and names of any length and script leave it as it is."""

import dataclasses
import itertools
import warnings

import matplotlib
import numpy as np
import pypdfium2
import pytest
from made_up_fonts import write_font
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from errseg.inference.result import Result
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.export import legend, result_colors
from errseg.pictures.figure import STAND_IN_LINES, Heat, draw_figure, heat_ranges, write_figure
from errseg.pictures.fonts import Fonts

NASTY = ("🐕 dog", "שמיים", "天空", "ท้องฟ้า", "w" * 100)
LONG = tuple(f"{chr(ord('a') + i)}" + " long name"[: 10 - i % 2] * 9 + "w" * 9 for i in range(16))
ACROSS, UPRIGHT, WIDE, TALL = (300, 400), (400, 300), (100, 800), (800, 100)
BLACK = np.zeros((*ACROSS, 3), np.uint8)


def made_up_result(names: tuple[str, ...], shape: tuple[int, int], settings) -> Result:
    """All classes are present, in stripes; half of them are kept."""
    labels = np.arange(shape[0] * shape[1]).reshape(shape) * (len(names) + 1) // np.prod(shape)
    count = len(names)
    return Result(
        classes=names,
        labels=labels - 1,
        scores=np.full(shape, 0.5, np.float32),
        kept=tuple(range(-(-count // 2))),
        crm_scores=np.linspace(1000, 0, count).astype(np.float32),
        votes=np.ones((count, 2), int),
        ranking=np.zeros((2, 4, 8), int),
        class_scores=np.zeros((count, 5, 10), np.float32),
        notices=(),
        settings=dataclasses.replace(settings, kept_classes=count // 2),
        timings={},
    )


@pytest.fixture
def drawn(monkeypatch):
    """The texts that matplotlib drew; it has others, as beside axes that are off."""
    texts, draw_text = [], Text.draw
    monkeypatch.setattr(
        Text, "draw", lambda self, *args: texts.append(self) or draw_text(self, *args)
    )
    return texts


@pytest.fixture
def draw(answer, drawn):
    """Draw a figure of made-up names; a warning, as of a missing glyph, is an error."""

    def figure_of(names, shape=ACROSS, fonts=None):
        result = made_up_result(names, shape, answer.result.settings)
        heats = [
            Heat(len(names) - 1, title, quantity, np.eye(4))
            for title, quantity in (
                ("SFM, layer 1", "attention"),
                ("cost, stride 16", "cosine"),
                ("cost, stride 32", "cosine"),
            )
        ]
        photo = np.zeros((*shape, 3), np.uint8)
        inputs = (photo, result, result_colors(result), heats, (5, 6), fonts or Fonts([]))
        with warnings.catch_warnings(), matplotlib.rc_context({"text.parse_math": False}):
            warnings.simplefilter("error")
            figure = draw_figure(*inputs)
            drawn.clear()
            FigureCanvasAgg(figure).draw()
        return figure

    return figure_of


def written(figure) -> dict[AnnotationBbox, str]:
    return {box: box.get_gid() for box in figure.findobj(AnnotationBbox)}


def places(figure, drawn) -> list[tuple[str, Bbox]]:
    """What is written where, in pixels."""
    found = [(text, box.get_window_extent()) for box, text in written(figure).items()]
    for text in drawn:
        box = text.get_window_extent()
        if text.get_text().startswith("\n"):  # a name stands in the title's first line
            box = Bbox.from_extents(box.x0, box.y0, box.x1, (box.y0 + box.y1) / 2)
        if text.get_visible() and text.get_text().strip():
            found.append((text.get_text(), box))
    return found


def heat_sizes(figure) -> list[tuple[float, float]]:
    maps = [axes for axes in figure.axes if axes.get_title().startswith("\n")]
    assert len(maps) == 3
    return [axes.get_window_extent().size for axes in maps]


@pytest.mark.parametrize(
    ("names", "shape"),
    [(NASTY, TALL), (NASTY, UPRIGHT), (LONG, WIDE), (LONG, UPRIGHT), (("$x^$",), ACROSS)],
    ids=["scripts, tall", "scripts, upright", "long, wide", "long, upright", "a formula"],
)
def test_names_leave_the_layout_as_it_is_and_stand_apart(draw, drawn, names, shape):
    plain = heat_sizes(draw(("a", "b"), shape))
    figure = draw(names, shape)
    np.testing.assert_allclose(heat_sizes(figure), plain, rtol=0.03)
    width, height = figure.canvas.get_width_height()
    everything = places(figure, drawn)
    assert len(everything) > 10
    for text, box in everything:
        assert 0 <= box.x0 <= box.x1 <= width, text
        assert 0 <= box.y0 <= box.y1 <= height, text
    for (one, first), (other, second) in itertools.combinations(everything, 2):
        both = Bbox.intersection(first, second)
        assert both is None or both.width * both.height == 0, (one, other)


def test_every_name_is_written_or_stood_in_for_with_a_note(draw, tmp_path, answer):
    texts = [*written(draw(NASTY)).values()]
    for name in ("dog", "שמיים", "class 2", "class 3"):
        assert texts.count(name) == 2, name  # in the legend and beside its bar
    assert sum(text.startswith("www") for text in texts) == 5  # and over three maps
    assert [text for text in texts if text in STAND_IN_LINES] == [*STAND_IN_LINES]

    fonts = Fonts([write_font(tmp_path / "sky.ttf", "天空ท้องฟ้า")])
    figure = draw(NASTY, fonts=fonts)
    texts = [*written(figure).values()]
    for name in ("dog", "שמיים", "天空", "ท้องฟ้า"):
        assert texts.count(name) == 2, name
    assert not {*STAND_IN_LINES, "class 2", "class 3"} & {*texts}
    result = made_up_result(NASTY, ACROSS, answer.result.settings)
    entries = legend(result, result_colors(result))
    masks = labelled_overlay(BLACK, result.labels, entries, legend_below=False, fonts=fonts)
    [shown] = [axes.images[0] for axes in figure.axes if axes.get_title() == "Masks"]
    assert (shown.get_array() == np.asarray(masks)).all()


def test_a_name_s_pixels_are_the_figure_s(draw):
    """Names are pictures; drawn at another size they would be blurred."""
    figure = draw(("שמיים", "dog"))
    page = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3]
    [box, *_] = [box for box, text in written(figure).items() if text == "שמיים"]
    ink = box.offsetbox.get_data()[..., 3]
    left, bottom = box.xy
    height, width = ink.shape
    shown = page[bottom : bottom + height, left : left + width][::-1]
    assert np.abs(shown.astype(int) - (255 - ink.astype(int))[..., None]).max() <= 1


def test_a_figure_s_maps_share_one_scale(tmp_path, answer):
    generator = np.random.default_rng(1)
    small, large, cosines = generator.random((3, 4, 8))
    heats = [
        Heat(0, "with CRM", "attention", small / 10),
        Heat(1, "without CRM", "attention", large),
        Heat(2, "cost", "cosine", cosines - 0.5),
    ]
    ranges = heat_ranges(heats)
    assert ranges["attention"] == (min(small.min() / 10, large.min()), large.max())
    assert ranges["cosine"] == (cosines.min() - 0.5, cosines.max() - 0.5)
    told = Heat(0, "SFM", "times", small, (-1, 1), ("30 x less", "30 x more"))
    assert heat_ranges([told, told])["times"] == (-1, 1)
    settings = (answer.photo, answer.result, answer.colors)
    pictures = []
    for name, shown in (("three.png", heats), ("one.png", heats[2:])):
        write_figure([tmp_path / name], *settings, shown, (3, 4))
        pictures.append((tmp_path / name).read_bytes())
    assert len(set(pictures)) == 2


def test_a_figure_is_the_same_as_pdf_with_numbers_and_titles_as_text(tmp_path, answer):
    """Read by another program than the one that wrote it."""
    answer = dataclasses.replace(answer, photo=np.full((20, 40, 3), 200, np.uint8))
    heat = Heat(0, "cost, stride 16", "cosine", np.array([[0, 0.2], [0.8, 1]]))
    files = [tmp_path / "figure.png", tmp_path / "figure.pdf"]
    write_figure(files, answer.photo, answer.result, answer.colors, [heat], (3, 4))
    content = files[1].read_bytes()
    for told in (b"/CreationDate", b"/Producer", b"/Creator", str(tmp_path).encode()):
        assert told not in content
    document = pypdfium2.PdfDocument(content)
    [page] = document
    text = page.get_textpage().get_text_range()
    for written in ("Photo", "CRM score: P = 2 of 4 kept", "cost, stride 16", "weights abababab"):
        assert written in text
    drawn = page.render(scale=2).to_pil().convert("RGB")
    with Image.open(files[0]) as picture:
        assert not picture.getexif()
        assert not picture.info.keys() - {"dpi"}
        expected = picture.convert("RGB").resize(drawn.size, Image.Resampling.BOX)
    # Letters and edges are smoothed otherwise; names and swatches stand in the same places.
    shapes = (np.asarray(p.reduce(8)).astype(int) for p in (drawn, expected))
    apart = np.abs(np.subtract(*shapes)).max(axis=2)
    assert np.percentile(apart, 99) < 25
    assert apart.max() < 100
    document.close()

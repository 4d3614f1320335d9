"""Where a closer look costs too much: the whole look, with a notice, or what would fit."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.config import model_config
from errseg.demo.backend.batch import run_batch
from errseg.demo.backend.budget import Budget
from errseg.demo.backend.cheaper import TOO_DEAR, settle
from errseg.demo.backend.links import command, query_string
from errseg.demo.backend.models import Models
from errseg.demo.backend.photos import LONGEST_SIDE
from errseg.demo.backend.price import Prices, Speeds
from errseg.demo.backend.request import check_request
from errseg.demo.backend.saved import take_away
from errseg.demo.backend.service import Service
from errseg.demo.backend.sweep import P, run_sweep
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo
from errseg.errors import InputError
from errseg.inference import tiles as tiles_module
from errseg.words.vocabulary import parse_classes

WORDS = "cat, dog, sky, grass, tree, road, sofa"
SHAPE = (300, 400)
ONLY_WHOLE = r"at most \d+ are allowed\. Look closer: whole would fit\.$"


@pytest.fixture
def large(tmp_path, make_pixels, monkeypatch):
    """A photo's file that "auto" takes for a large one."""
    monkeypatch.setattr(tiles_module, "LEAST_TILED", SHAPE[0] * SHAPE[1])
    path = tmp_path / "large.png"
    Image.fromarray(make_pixels(1, *SHAPE)[0].permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture
def service(lite_weights):
    """A service that takes its machine for so slow that drawing is nothing beside the network."""
    return slowed(Service(Models(lite_weights, "cpu", "float32")))


def slowed(service):
    prices = service.models.loaded_for(check_request("photo.png", "cat")).prices
    prices._speeds = Speeds(**{name: speed / 1000 for name, speed in vars(prices._speeds).items()})
    return service


@pytest.fixture
def asked(large):
    return check_request(large, WORDS, input_size=256, kept_classes=5)


def allow(service, request, times=1.0, beside=0.0):
    """Allow as many seconds as a question costs, some times and some more."""
    prices = service.models.loaded_for(request).prices
    seconds = prices.answer(request, SHAPE).seconds
    service.budget = Budget(seconds=times * seconds + beside, bytes=10**12)


def test_what_is_too_dear_to_look_at_closer_is_looked_at_as_a_whole(service, asked):
    allow(service, asked)
    whole = service.answer(asked.changed(tiles=1))
    closer = service.answer(asked)
    assert (closer.result.settings.tiles, closer.request.too_dear) == (2, False)
    assert TOO_DEAR not in closer.result.notices
    allow(service, asked, 0.99)
    answer = service.answer(asked)
    np.testing.assert_array_equal(answer.result.labels, whole.result.labels)
    assert answer.result.settings.tiles == 1
    assert answer.result.notices == (TOO_DEAR,)
    assert answer.request.options.tiles == 1
    # Whatever reproduces the answer says so.
    named = service.models.named(answer.request).changed(threshold=0.0)
    assert "--tiles 1" in command(named, "photo.png")
    assert "tiles=1" in query_string(named, None, service.models.first)
    # Nobody chose the look: another P has the closer one again.
    allow(service, asked)
    assert service.answer(asked).result.settings.tiles == 2


def test_a_look_is_settled_by_the_answer(service, asked):
    """What follows an answer never looks otherwise than it, whatever the words cost by then."""
    allow(service, asked, 0.99)
    whole = service.answer(asked).request
    allow(service, asked, 2.0)
    assert service.answer(whole).result.notices == (TOO_DEAR,)
    turned = asked.changed(threshold=0.3).same_but_threshold(whole)
    assert service.answer(turned).result.settings.tiles == 1
    assert asked.changed(kept_classes=4).same_but_threshold(whole) is None
    chosen = asked.changed(tiles=1).same_but_threshold(whole)
    assert service.answer(chosen).result.notices == ()  # somebody chose it
    closer = service.answer(asked).request
    assert asked.changed(threshold=0.3).same_but_threshold(closer).options.tiles == "auto"
    allow(service, asked, 0.99)
    with pytest.raises(InputError, match=r"P = \d would fit\. So would Look closer: whole\."):
        service.answer(closer)


def test_a_look_that_somebody_chose_is_refused_with_what_would_fit(service, asked):
    chosen = asked.changed(tiles=3)
    allow(service, asked.changed(tiles=2))
    with pytest.raises(InputError, match=r"So would Look closer: 2 x 2 or auto or whole\.$"):
        service.answer(chosen)
    assert service.answer(chosen.changed(tiles=2)).result.settings.tiles == 2
    few = check_request(asked.photo, "cat", input_size=256, tiles=3)
    allow(service, few.changed(tiles=1), 1.05)
    with pytest.raises(InputError, match=ONLY_WHOLE):
        service.answer(few)
    # Where no look does by itself, both together.
    small = check_request(asked.photo, WORDS, input_size=128, kept_classes=5, tiles=3)
    allow(service, small.changed(tiles=1, kept_classes=2), 1.001)
    with pytest.raises(InputError, match=r"With Look closer: whole, P = 2 would fit\.$"):
        service.answer(small)


def test_a_small_photo_has_no_look_to_save_at(service, asked, monkeypatch):
    monkeypatch.setattr(tiles_module, "LEAST_TILED", 10**9)
    allow(service, asked, 0.99)
    with pytest.raises(InputError, match=r"P = \d would fit\.$"):
        service.answer(asked)
    words = parse_classes([f"word {n}" for n in range(300)])
    many = dataclasses.replace(asked, vocabulary=words).changed(kept_classes=300)
    allow(service, many.changed(input_size=128), 0.5)
    with pytest.raises(InputError, match=r"would fit") as told:
        service.answer(many)
    assert "Look closer" not in str(told.value), told.value


def test_attention_sweeps_files_and_batches_do_likewise(service, asked, tmp_path):
    prices = service.models.loaded_for(asked).prices
    more = prices.attention(asked, SHAPE, without_crm=False).seconds
    allow(service, asked, 0.9, beside=more)
    attention = service.attention(asked, (5, 5))
    assert attention.notices == (TOO_DEAR,)
    # The files' attention has to have room too, though a closer look alone would.
    allow(service, asked, 1.01)
    assert service.answer(asked).result.settings.tiles == 2
    take_away(service, asked, ["html"], tmp_path)
    assert '"tiles": 1' in (tmp_path / "result.json").read_text()
    values = [3, 4, 5]
    whole = [asked.changed(tiles=1, kept_classes=value) for value in values]
    together = prices.answers(whole, SHAPE, same=True).seconds
    service.budget = Budget(seconds=1.01 * together)
    steps = list(run_sweep(service, asked, P, values))
    assert all(step.answer.result.notices == (TOO_DEAR,) for step in steps)
    with pytest.raises(InputError, match=ONLY_WHOLE):
        list(run_sweep(service, asked.changed(tiles=2), P, values))
    large = check_request("later", WORDS, input_size=256, tiles=3)
    side = (LONGEST_SIDE * 3 // 4, LONGEST_SIDE)
    service.budget = Budget(seconds=1.01 * 2 * prices.answer(large.changed(tiles=1), side).seconds)
    with pytest.raises(InputError, match=r"Look closer: whole"):
        list(run_batch(service, [asked.photo] * 2, large, tmp_path / "batch"))
    # Where not even one of several fits, what of it would is told.
    service.budget = Budget(seconds=0.99 * prices.answer(large.changed(tiles=1), side).seconds)
    with pytest.raises(InputError, match=r"With Look closer: whole, P = \d would fit\."):
        list(run_batch(service, [asked.photo] * 2, large, tmp_path / "batch"))


def test_the_page_says_it_of_comparisons_and_sweeps(lite_weights, large, monkeypatch):
    demo = create_demo(Models(lite_weights, "cpu", "float32"))
    service, events = slowed(demo.service), {f.name: f for f in demo.page.fns.values()}
    boxes = {"photo": {"path": served(large)}, "classes": WORDS, "input-size": 256, "kept": 5}

    def said(event):
        by_id = {box.elem_id: box for box in (*events[event].inputs, *events[event].outputs)}
        given = {box: box.value for box in events[event].inputs}
        given |= {by_id[f"errseg-{name}"]: value for name, value in boxes.items()}
        steps = events[event].fn(given)
        steps = [steps] if isinstance(steps, dict) else steps
        return " ".join(str(value) for step in steps for value in step.values())

    request = check_request(large, WORDS, input_size=256, kept_classes=7)
    prices = service.models.loaded_for(request).prices
    for event, values in (("compare", (5, 5)), ("fill_strip", (1, 2, 4, 7))):
        asked = [request.changed(kept_classes=value) for value in values]
        service.budget = Budget(seconds=0.99 * prices.answers(asked, SHAPE, same=True).seconds)
        assert TOO_DEAR in said(event)
        service.budget = Budget(seconds=1e6)
        assert TOO_DEAR not in said(event)


@pytest.mark.parametrize("name", ["errseg-lite", "errseg-base"])
def test_on_the_slowest_machine_one_word_about_a_large_photo_has_a_way_on(name):
    """With the largest input size, which the speeds' floor lets cost more than is allowed."""
    model = SimpleNamespace(config=model_config(name), dtype=torch.float32)
    prices = Prices(SimpleNamespace(model=model))
    prices.take(Speeds(0.0, 0.0, 0.0))
    request, new = check_request("photo.jpg", "cat", input_size=1024), []

    def settled(**options):
        return settle(
            Budget(),
            request.changed(**options),
            new,
            prices.input_size,
            lambda asked, new: prices.answer(asked, (2048, 2048), new),
        )[0]

    if name == "errseg-lite":
        assert settled().options.tiles == 1
        with pytest.raises(InputError, match=r"size of \d+ would fit\. So would .*: whole\.$"):
            settled(tiles=3)
    else:
        with pytest.raises(InputError, match=r"An input size of ([\d,]+) would fit\.$") as refused:
            settled()
        most = int(str(refused.value).split("size of ")[1].split()[0].replace(",", ""))
        assert settled(input_size=most).options.input_size == most
        # What isn't enough by itself is told together.
        request = check_request("photo.jpg", [f"thing {n}" for n in range(900)], input_size=1024)
        new = [8] * 900
        told = r"\. With an input size of 640, the first \d+ of the words would fit; words"
        with pytest.raises(InputError, match=told):
            settled(kept_classes=900)

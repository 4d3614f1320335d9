"""A question's price: known before it runs, growing with all that costs, refused in words."""

import dataclasses
import math

import pytest
from torch.utils.flop_counter import FlopCounterMode

from errseg.config import EXAMPLES, ClipConfig
from errseg.demo.backend import places
from errseg.demo.backend.attended import MOST_ATTENDED
from errseg.demo.backend.budget import BYTES, Budget, Price, Way
from errseg.demo.backend.models import Models
from errseg.demo.backend.price import Prices, Speeds, decoder_work, text_work
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.backend.sweep import P, run_sweep
from errseg.errors import InputError
from errseg.inference.predictor import Predictor

CAT = EXAMPLES.with_name("cat.jpg")
PHOTO = (480, 640)


def question(classes, **options):
    return check_request(CAT, classes, **{"input_size": 256, **options})


def words(count, start=0):
    return ", ".join(f"thing {number}" for number in range(start, start + count))


@pytest.fixture
def prices(make_model):
    return Prices(Predictor(make_model(lite=True)))


def test_all_that_costs_raises_the_price(prices):
    few = question(words(300), kept_classes=5)
    plain = prices.answer(few, PHOTO)
    more_words = prices.answer(question(words(600), kept_classes=5), PHOTO)
    more_kept = prices.answer(few.changed(kept_classes=300), PHOTO)
    larger = prices.answer(few.changed(input_size=1024), PHOTO)
    bigger_photo = prices.answer(few, (1536, 2048))
    for dearer in (more_words, more_kept, larger, bigger_photo):
        assert dearer.seconds > plain.seconds
    for heavier in (more_kept, larger, bigger_photo):
        assert heavier.bytes > plain.bytes
    assert prices.answer(few.changed(kept_classes=900), PHOTO) == more_kept  # P stops at T
    without = prices.attention(few, PHOTO, without_crm=True)
    alone = prices.attention(few, PHOTO, without_crm=False)
    assert without.seconds > 2 * alone.seconds
    live = prices.attention(few, PHOTO, without_crm=False, everywhere=4)
    assert live.seconds > alone.seconds
    assert live.bytes > alone.bytes
    rooms = [prices.live_classes(few, PHOTO, characters) for characters in (1, 10**6, 10**7)]
    assert rooms[0] == 1
    assert rooms == sorted(set(rooms))


def test_words_cost_until_they_were_read(prices):
    request = question(words(300), kept_classes=5)
    new = prices.answer(request, PHOTO).seconds
    prices._predictor.embed(request.vocabulary, request.options.expand)
    known = prices.answer(request, PHOTO).seconds
    assert known < new
    one_more = prices.answer(question(words(301), kept_classes=5), PHOTO).seconds
    assert known < one_more < known + (new - known) / 10


def test_several_questions_cost_their_sum_and_read_words_once(prices):
    ask = [question(words(40), kept_classes=p) for p in (5, 10, 20)]
    alone = [prices.answer(one, PHOTO) for one in ask]
    together = prices.answers(ask, PHOTO, same=True)
    again = [prices.answer(one, PHOTO, unread=[], encoded=True) for one in ask[1:]]
    assert together.seconds == pytest.approx(alone[0].seconds + sum(p.seconds for p in again))
    assert together.bytes == max(price.bytes for price in alone)
    assert prices.answers(ask, PHOTO, same=False).seconds > together.seconds


def test_the_decoder_s_work_is_what_the_network_multiplies(make_model):
    """Without the weight of attention the formula counts torch's own multiply-adds."""
    import torch

    from errseg.demo.backend import price as module

    model = make_model()
    features = model.encode_image(torch.zeros(1, 3, 256, 256, dtype=torch.uint8))
    text = torch.nn.functional.normalize(torch.randn(64, model.config.towers.embedding), dim=-1)
    counted, told = [], []
    for kept in (8, 64):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            model.decode(features, text, kept)
        counted.append(counter.get_total_flops() / 2)
        told.append(decoder_work(model.config.head, 16 * 16, kept))
    assert module.ATTENTION_WEIGHT > 1
    for ours, torchs in zip(told, counted, strict=True):
        assert 0.5 < ours / torchs < 4  # attention counts more, guidance and ranking are left out
    assert told[1] / told[0] > counted[1] / counted[0]


def test_clip_reads_its_whole_context_for_every_prompt(make_model):
    lite = make_model(lite=True).config
    clip = dataclasses.replace(lite, towers=_clip())
    assert text_work(clip, [3] * 10) == text_work(clip, [30] * 10)
    assert text_work(lite, [3] * 10) < text_work(lite, [30] * 10)
    assert text_work(lite, []) == text_work(clip, []) == 0


def _clip() -> ClipConfig:
    from errseg.config import model_config

    return model_config("errseg-base").towers


def test_speeds_are_measured_and_never_taken_for_absurdly_low(prices, monkeypatch):
    from errseg.demo.backend import price as module

    usual = module.USUAL[type(prices._config.towers)]
    prices.measure()
    assert prices._speeds != usual
    slow = iter([("text", 1.0, 9e9), ("encode", 1.0, 9e9), ("decode", 1.0, 9e9)] * 4)
    monkeypatch.setattr(module, "_stages", lambda *_: [next(slow) for _ in range(3)])
    prices.measure()
    expected = {name: module.SLOWEST * value for name, value in vars(usual).items()}
    assert prices._speeds == Speeds(**expected)


def test_a_budget_says_what_would_fit():
    budget = Budget(seconds=10, bytes=10**9)
    budget.check(Price(10, 10**9))
    halves = Way("P = {} fits.", lambda kept: Price(kept / 2), 100)
    with pytest.raises(InputError, match=r"50 seconds here; at most 10 are allowed\. P = 20 fits"):
        budget.check(Price(50), [halves])
    never = Way("P = {} fits.", lambda kept: Price(11), 100)
    with pytest.raises(InputError, match=r"4,000 MB of memory; at most 1,000 are allowed\. Ask"):
        budget.check(Price(1, 4 * 10**9), [never])
    with pytest.raises(InputError, match="10 words fit"):
        budget.check(Price(50), [never, Way("{} words fit.", Price, 100)])
    large = Way("{} fits.", Price, 100, least=11)
    with pytest.raises(InputError, match=r"allowed\. Ask for less"):
        budget.check(Price(50), [large])
    looks = {"2 x 2": lambda: Price(11), "auto": lambda: Price(9), "whole": lambda: Price(5)}
    with pytest.raises(InputError, match=r"P = 20 fits\. So would Look closer: auto or whole\.$"):
        budget.check(Price(50), [halves], looks)
    with pytest.raises(InputError, match=r"allowed\. Look closer: auto or whole would fit\.$"):
        budget.check(Price(50), [never], looks)


@pytest.fixture
def service(lite_weights):
    return Service(Models(lite_weights, "cpu", "float32"), budget=Budget(seconds=1.0))


def test_a_question_over_the_budget_is_refused_before_anything_is_computed(service):
    service._turns._compute = lambda *given: pytest.fail("it was computed")
    dear = question(words(1000), kept_classes=1000)
    price = service.models.loaded_for(dear).prices.answer(dear, PHOTO)
    service.budget = Budget(seconds=price.seconds / 2)
    with pytest.raises(InputError, match=r"\. P = \d+ would fit"):
        service.answer(dear)
    values = [700, 710, 720, 730]
    asked = [dear.changed(kept_classes=value) for value in values]
    two = service.models.loaded_for(dear).prices.answers(asked[:2], (300, 451), same=True)
    service.budget = Budget(seconds=1.1 * two.seconds, bytes=10**10)
    with pytest.raises(InputError, match=r"2 values at a time would fit"):
        list(run_sweep(service, dear, P, values))


def test_what_a_refusal_proposes_is_answered(monkeypatch, service):
    monkeypatch.setattr(places, "OVERRUN", math.inf)  # however busy this machine is
    dear = question(words(60), kept_classes=60, input_size=1024)
    prices = service.models.loaded_for(dear).prices
    service.budget = Budget(seconds=0.7 * prices.answer(dear, (300, 451)).seconds)
    with pytest.raises(InputError) as refused:
        service.answer(dear)
    most = int(str(refused.value).split("P = ")[1].split()[0])
    assert len(service.answer(dear.changed(kept_classes=most)).result.kept) == most
    with pytest.raises(InputError):
        service.answer(dear.changed(kept_classes=most + 2))


def test_attention_is_bounded_by_what_can_be_shown(service):
    request = question(words(MOST_ATTENDED + 1), kept_classes=MOST_ATTENDED + 1)
    with pytest.raises(InputError, match="up to 100 kept classes, not for 101; lower P"):
        service.attention(request, (0, 0))


def test_memory_of_the_dearest_allowed_answer_is_within_a_gigabyte(make_model):
    prices = Prices(Predictor(make_model(lite=True)))
    request = question(words(1000), kept_classes=1000, input_size=1024)
    assert prices.answer(request, (1536, 2048)).bytes > BYTES

"""Hidden rivals: margins against a plain loop, and what they take from a word's score."""

import copy
import dataclasses
import itertools
import json

import pytest
import torch
from command_line import refused
from photo_sets import write_sets

from errseg.__main__ import main
from errseg.inference.predictor import Predictor
from errseg.inference.rivals import (
    BEST_CELLS,
    BEST_RIVALS,
    LIKE,
    NO_RIVAL,
    SURE,
    Against,
    Rivals,
    RivalWeights,
    against_either,
    best_margins,
    make_rivals,
    odds_against,
)
from errseg.measuring.rival_fit import Asked, fit
from errseg.words.nearness import are_near
from errseg.words.union import named_union
from errseg.words.vocabulary import Vocabulary, parse_classes

NOTHING_TAKEN = RivalWeights(0.0, 0.0, 100.0, 0.0, 100.0)
SimpleSegmentation = dataclasses.make_dataclass("SimpleSegmentation", ("kept_logits", "kept"))
WORDS = ("dog", "sky", "sofa | couch", "capybara")


@pytest.fixture(scope="module")
def predictor(lite_model):
    return Predictor(lite_model)


@pytest.fixture(scope="module")
def seen(predictor, make_pixels):
    """A photo's features, and the embeddings of some words."""
    photo = make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()
    vocabulary = parse_classes(", ".join(WORDS))
    with torch.inference_mode():
        return predictor.encode(photo, (128, 160)), vocabulary, predictor.embed(vocabulary)[0]


@pytest.fixture(scope="module")
def union():
    """Some of the named vocabularies' things."""
    return Vocabulary(named_union().classes[::9])


@pytest.fixture(scope="module")
def make(predictor, union):
    """``make(presence, margin, bias, apart_margin, apart_bias)``: some of the lists' things as
    rivals; without the last two what is told apart takes nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("errseg.inference.rivals.named_union", lambda: union)
        rivals = make_rivals(predictor.model, RivalWeights(0.0, 0.0, 0.0, 0.0, 100.0))

    def make(*weights: float) -> Rivals:
        changed = copy.copy(rivals)
        changed.weights = RivalWeights(*(*weights, 0.0, 100.0)[:5])
        return changed

    return make


@torch.inference_mode()
def judged(predictor, rivals, seen, kept=4):
    features, vocabulary, text = seen
    out = predictor.model.decode(features, text, kept)
    return out, rivals.judge(out, [(features, None)], text, rivals.against(vocabulary, text))


def test_unlike_are_those_far_by_name_and_by_text(make, predictor, seen, union):
    _, vocabulary, text = seen
    unlike = make(0, 0, 0).against(vocabulary, text).unlike
    theirs, _ = predictor.embed(union)
    for row, prompt, own in zip(unlike, vocabulary.classes, text, strict=True):
        for place, rival in enumerate(union.classes):
            near = any(are_near(a, b) for a in prompt.synonyms for b in rival.synonyms)
            assert row[place] == (not near and bool(own @ theirs[place] < LIKE))
    assert not unlike.all(dim=1).any()


def test_margins_are_those_of_a_plain_loop(seen, randn):
    """Fewer rivals than are remembered, so that all count; those alike don't."""
    features, _, text = seen
    theirs = torch.nn.functional.normalize(randn(BEST_RIVALS - 1, text.shape[1]), dim=1)
    rivals = Rivals(NOTHING_TAKEN, [[f"thing {i}"] for i in range(len(theirs))], theirs)
    unlike = randn(1, len(text), len(theirs)) > 0
    unlike[..., -1] = True
    margins = rivals.margins(features, text[None], unlike)
    dense = features.dense16[0].flatten(1).T
    for place, own in enumerate(text):
        best = (dense @ theirs[unlike[0, place]].T).amax(dim=1)
        expected = (dense @ own - best).view(margins.shape[-2:])
        # The last of those remembered always counts: it is no better than any before it.
        near = margins[0, place] - expected
        assert near.max() < 1e-5
        assert near.abs().median() < 1e-5
    mean = margins[0].flatten(1).sort(descending=True).values[:, :BEST_CELLS].mean(dim=1)
    torch.testing.assert_close(best_margins(margins)[0], mean)


def test_nothing_is_taken_where_nobody_is_better(make, predictor, seen):
    before, after = judged(predictor, make(0.0, 0.0, 100.0), seen)
    torch.testing.assert_close(after.kept_logits, before.kept_logits, rtol=0, atol=5e-4)
    before, after = judged(predictor, make(0.0, 0.0, 0.0), seen)
    half = before.kept_logits.sigmoid() / 2
    torch.testing.assert_close(after.kept_logits.sigmoid(), half, rtol=0, atol=1e-5)
    assert torch.isfinite(after.kept_logits).all()
    assert torch.equal(after.kept, before.kept)
    assert after.ranking is before.ranking


def test_what_a_word_loses_alone_it_loses_among_others_if_it_is_best(make, predictor, seen):
    """And who is best stays so, unless one comes to the top that is surely not beaten."""
    features, vocabulary, text = seen
    rivals = make(5.0, 60.0, 2.0)
    before, after = judged(predictor, rivals, seen)
    scores, found = before.kept_logits[0].sigmoid(), after.kept_logits[0].sigmoid()
    against = rivals.against(vocabulary, text)
    chances = torch.empty_like(scores)
    for place in range(len(text)):
        with torch.inference_mode():
            out = predictor.model.decode(features, text[[place]])
            alone = rivals.judge(out, [(features, None)], text[[place]], against[[place]])
        chances[place] = (alone.kept_logits.sigmoid() / out.kept_logits.sigmoid())[0, 0]
    kept = taken = 0
    for row, column in itertools.product(*map(range, scores.shape[1:])):
        score, chance = scores[:, row, column], chances[:, row, column]
        top = (score * chance).argmax()
        sure = chance[top] / (1 - chance[top]) > 1 / SURE
        factor = chance if sure else chance[score.argmax()]
        torch.testing.assert_close(found[:, row, column], score * factor, rtol=2e-3, atol=1e-4)
        kept += not sure
        taken += bool(sure and top != score.argmax())
    assert kept
    assert taken


def test_what_is_told_apart_takes_the_places_that_are_more_like_it(seen, randn):
    """Against a plain loop: the best word's factor, none where that one has no such rivals."""
    features, _, text = seen
    theirs = torch.nn.functional.normalize(text[:1] + 0.1 * randn(3, text.shape[1]), dim=1)
    weights = RivalWeights(0.0, 0.0, 100.0, 30.0, 5.0)
    rivals = Rivals(weights, [[f"thing {i}"] for i in range(3)], theirs)
    none = torch.zeros(len(text), 3, dtype=torch.bool)
    apart = none.clone()
    apart[0, 1:] = True
    margins = rivals.margins_apart(features, text[None], apart[None])[0]
    dense = features.dense16[0].flatten(1).T
    expected = dense @ text[0] - (dense @ theirs[1:].T).amax(dim=1)
    torch.testing.assert_close(margins[0].flatten(), expected, rtol=0, atol=1e-5)
    assert (margins[1:] == NO_RIVAL).all()

    height, width = features.dense16.shape[-2:]
    logits = 3 * randn(1, len(text), height, width)
    out = SimpleSegmentation(logits, torch.arange(len(text))[None])
    after = rivals.judge(out, [(features, None)], text, Against(none, apart)).kept_logits[0]
    best = logits[0].argmax(dim=0)
    assert {*best.unique().tolist()} > {0}
    for row, column in itertools.product(range(height), range(width)):
        factor = torch.sigmoid(30 * margins[best[row, column], row, column] + 5)
        chance = logits[0, :, row, column].sigmoid() * factor
        torch.testing.assert_close(after[:, row, column].sigmoid(), chance, rtol=1e-3, atol=1e-5)


def test_odds_are_those_of_a_product_of_chances(randn):
    one, other = 12 * randn(3, 40, 50), 12 * randn(3, 40, 50)
    product = one.double().sigmoid() * other.double().sigmoid()
    odds = against_either(odds_against(one), odds_against(other))
    torch.testing.assert_close(1 / (1 + odds.double()), product, rtol=1e-5, atol=2e-6)
    sure = odds_against(torch.tensor([-500.0, -50.0, 50.0, 500.0]))
    odds = against_either(sure[:, None], sure[None])
    assert torch.isfinite(odds).all()
    assert torch.equal(odds < 1, (sure[:, None] < 1) & (sure[None] < 1))


def test_what_is_unlike_some_words_is_looked_for_once(make, lite_model, make_pixels, monkeypatch):
    predictor, asked = Predictor(lite_model), []
    monkeypatch.setattr(predictor, "rivals", make(20.0, 15.0, 5.0))
    against = Rivals.against
    monkeypatch.setattr(Rivals, "against", lambda *given: asked.append(given) or against(*given))
    photo = make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()
    for words, kept in (("dog, sky, sofa", 2), ("dog, sky, sofa", 3), ("dog, sky", 2)):
        predictor(photo, words, kept_classes=kept, input_size=128)
    assert [given[1].names for given in asked] == [("dog", "sky", "sofa"), ("dog", "sky")]


def test_only_the_weights_that_ship_have_rivals(predictor, clip_model):
    assert predictor.rivals is None
    assert Predictor(clip_model).rivals is None


def test_the_fit_finds_the_numbers_that_made_the_answers():
    """Words right as often as a score times a sigmoid of known numbers says, present or not."""
    generator, asked = torch.Generator().manual_seed(0), []
    for _ in range(400):
        best = float(torch.rand(1, generator=generator) * 0.8 - 0.5)
        logits = torch.full((100,), 4.0)
        margins = torch.rand(100, generator=generator) * 0.6 - 0.4
        chance = logits.sigmoid() * torch.sigmoid(12 * best + 8 * margins + 3)
        right = torch.rand(100, generator=generator) < chance
        for flag in (True, False):
            some = right == flag
            if some.any():
                asked.append(Asked(flag, logits[some], margins[some], best))
    # Weights that undo the normalisation by word: as many as there are pixels.
    pixels = [
        Asked(a.present, a.logits[[i]], a.margins[[i]], a.best)
        for a in asked
        for i in range(0, len(a.logits), 4)
    ]
    present = sum(a.present for a in pixels)
    found = fit(pixels, absent_weight=(len(pixels) - present) / present)
    assert found.presence == pytest.approx(12, rel=0.15)
    assert found.margin == pytest.approx(8, rel=0.15)
    assert found.bias == pytest.approx(3, rel=0.15)


def test_the_command_writes_what_the_predictor_reads(
    tmp_path, lite_model, make, monkeypatch, capsys
):
    monkeypatch.setattr("errseg.measuring.rival_fit.make_rivals", lambda *_: make(0, 0, 0))
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", lambda *_: lite_model)
    monkeypatch.setattr("errseg.measuring.rival_fit.network_size", lambda *_: (64, 96))
    file = tmp_path / "rivals.json"
    asked = ("rivals", "--data", write_sets(tmp_path / "data"), "--sets", "things")
    assert main([*map(str, asked), "--photos", "2", "--out", str(file)]) == 0
    assert "words: presence" in capsys.readouterr().out
    RivalWeights(**json.loads(file.read_text()))
    assert "There is no folder" in refused(capsys, *asked, "--out", tmp_path / "gone" / "a.json")


def test_a_closer_look_shows_what_the_whole_photo_hides(make, lite_model, make_pixels):
    """Of the best margins the greatest look counts; the factor is then one for all of the photo."""
    photo = make_pixels(1, 256, 320)[0].permute(1, 2, 0).numpy()
    before, after = Predictor(lite_model), Predictor(lite_model)
    before.__dict__["rivals"], after.__dict__["rivals"] = None, make(20.0, 0.0, 3.0)
    options = {"tiles": 2, "input_size": 128}
    plain = before.segment(photo, "dog", **options).kept_logits.sigmoid()
    judged = after.segment(photo, "dog", **options).kept_logits.sigmoid()
    factor = judged / plain
    assert factor.std() < 1e-4
    whole = before.segment(photo, "dog", tiles=1, input_size=128).kept_logits.sigmoid()
    alone = after.segment(photo, "dog", tiles=1, input_size=128).kept_logits.sigmoid()
    assert factor.mean() >= (alone / whole).mean() - 1e-4

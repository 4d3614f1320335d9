"""Words for a photo: CRM's ranking over all names, by a loop; the measure of how good they are."""

import numpy as np
import pytest
import torch
from command_line import refused
from photo_sets import write_photo_set

import errseg
from errseg.__main__ import main
from errseg.config import BETA, EXAMPLES, VOTES_PER_PIXEL
from errseg.datasets.folders import load_sets
from errseg.demo.backend.budget import Budget
from errseg.demo.backend.models import Models
from errseg.demo.backend.service import Service
from errseg.demo.backend.suggest import suggest
from errseg.errors import InputError
from errseg.inference import suggestion
from errseg.inference.predictor import Predictor
from errseg.inference.suggestion import Suggestion
from errseg.measuring import suggestions
from errseg.words.union import named_union
from errseg.words.vocabulary import ClassPrompt, Vocabulary

CAT = EXAMPLES.with_name("cat.jpg")


@pytest.fixture(scope="module")
def predictor(lite_model):
    return Predictor(lite_model)


def test_the_best_words_are_those_that_most_pixels_vote_for(predictor, make_pixels):
    photo = make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()
    found = errseg.suggest_classes(predictor, photo, 100)
    cost = predictor.cost_view(photo, named_union()).stride16
    expected = np.zeros(len(named_union()))
    for pixel in cost.reshape(len(cost), -1).T:
        for rank, place in enumerate(np.argsort(-pixel, kind="stable")[:VOTES_PER_PIXEL]):
            expected[place] += BETA**rank
    order = [int(place) for place in np.argsort(-expected, kind="stable") if expected[place]]
    left_out = {named_union().names[place] for place in order} - {s.name for s in found}
    order = [place for place in order if named_union().names[place] not in left_out]
    assert [s.name for s in found] == [named_union().names[place] for place in order]
    np.testing.assert_allclose([s.score for s in found], expected[order], rtol=1e-5)
    # Left out are kinds of something before them only.
    assert all({name.split()[-1]} & {w for s in found for w in s.synonyms} for name in left_out)
    assert all(s.score > 0 and s.name in s.synonyms for s in found)
    assert errseg.suggest_classes(predictor, photo, 3) == found[:3]


def test_a_kind_behind_its_head_noun_is_left_out(predictor, monkeypatch):
    """All pixels vote for them in this order; a kind before its head noun stays."""
    order = ["kitchen door", "door", "cabinet door", "cup", "door frame"]
    union = Vocabulary(tuple(ClassPrompt(name, (name,)) for name in order))
    monkeypatch.setattr(suggestion, "named_union", lambda: union)
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    monkeypatch.setattr(suggestion, "score_votes", lambda votes, beta: scores)
    names = [s.name for s in errseg.suggest_classes(predictor, CAT)]
    assert names == ["kitchen door", "door", "cup", "door frame"]
    assert [s.name for s in errseg.suggest_classes(predictor, CAT, 3)] == names[:3]


@pytest.mark.parametrize("count", [0, 101])
def test_a_count_out_of_range_is_refused(predictor, count):
    with pytest.raises(InputError, match="1 to 100 words"):
        errseg.suggest_classes(predictor, CAT, count)


@pytest.fixture
def service(lite_weights):
    return Service(Models(lite_weights, "cpu", "float32"))


def test_the_page_s_words_are_the_predictor_s(service, lite_model):
    found = suggest(service, CAT, 7)
    assert [s.name for s in found] == [
        s.name for s in errseg.suggest_classes(service.models.predictor, CAT, 7)
    ]


def test_words_that_cost_too_much_are_refused_before_anything_is_computed(service):
    service._turns._compute = lambda *given: pytest.fail("it was computed")
    service.budget = Budget(seconds=1e-3)
    with pytest.raises(InputError, match="seconds to find words for a photo; at most 0 are"):
        suggest(service, CAT, 7)
    with pytest.raises(InputError, match="no photo yet"):
        suggest(service, None, 7)


def test_segment_prints_words_and_asks_them_where_none_are_given(
    lite_weights, photo_file, tmp_path, capsys
):
    asked = ("segment", photo_file, "--model", lite_weights, "--suggest", 4)
    assert main([*map(str, asked)]) == 0
    alone = capsys.readouterr().out.splitlines()
    words = [line.split(maxsplit=1)[1] for line in alone[1:]]
    assert len(words) == 4
    assert main([*map(str, (*asked, "--out", tmp_path / "own", "--threshold", 0))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == alone
    assert "4 of 4 classes kept" in lines[5]
    assert main([*map(str, (*asked, "--out", tmp_path / "b", "--classes", "sky, cat"))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == alone
    assert "2 of 2 classes kept" in lines[5]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--classes", "sky"), "--out DIR"),
        (("--suggest", "101"), "1 to 100 words"),
        (("--suggest", "0"), "must be 1 or more"),
    ],
)
def test_a_command_that_cannot_be_done_gets_a_sentence(capsys, options, sentence):
    assert sentence in refused(capsys, "segment", CAT, *options)


def test_recall_counts_what_covers_more_than_a_fiftieth(predictor, tmp_path, monkeypatch):
    """Of two photos: one shows a couch and some road, the other a couch and a speck of sky."""
    photo, first, second = (np.zeros((40, 50, *rest), np.uint8) for rest in ([3], [], []))
    first[:20], second[:2, :20] = 2, 1  # 50 % road; 2 % sky is not over 2 %
    first[39:] = 255
    write_photo_set(tmp_path / "rooms", ["couch", "sky", "road"], [(photo, first), (photo, second)])
    suggested = [Suggestion("sofa", ("sofa", "couch"), 3.0), Suggestion("sky", ("sky",), 1.0)]
    monkeypatch.setattr(suggestions, "suggest_classes", lambda p, image, count: suggested[:count])
    (one,) = suggestions.recall(predictor, load_sets(tmp_path), 2)
    assert one.shown == {"couch": 2, "road": 1}
    assert one.found == {"couch": 2}
    assert one.share == pytest.approx(2 / 3)
    said = suggestions.as_text([one], 2)
    assert "66.7%  (2 of 3 in 2 photos)  missed: road 1" in said


def test_the_command_measures_sets(lite_weights, tmp_path, capsys):
    label = np.zeros((64, 64))
    photo = np.zeros((64, 64, 3), np.uint8)
    write_photo_set(tmp_path / "rooms", ["couch"], [(photo, label)])
    asked = ("suggest", "--data", tmp_path, "--model", lite_weights, "--count", 100)
    assert main([*map(str, asked)]) == 0
    out = capsys.readouterr().out
    assert "among 100 suggested words" in out
    assert "in 1 photos" in out

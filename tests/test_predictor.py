"""The predictor answers at the photo's own size, the same for everybody who shares it."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.config import LARGEST_INPUT
from errseg.errors import InputError
from errseg.inference.labelling import best_labels
from errseg.inference.photo import network_size
from errseg.inference.predictor import IMAGE_CACHE, Predictor
from errseg.inference.token_memory import TokenMemory
from errseg.network.model import build_model
from errseg.options import Options
from errseg.words.vocabulary import parse_classes

WORDS = "cat, dog, sky, grass, tree, road, sofa"
WORDS_READ = "catfish, fish, animal"


@pytest.fixture(scope="module")
def model(make_model):
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, input_size=128)  # the predictor's least
    return model


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor(model)


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 75, 110)[0].permute(1, 2, 0).numpy()


def test_unknown_words_are_read_with_their_hypernyms(predictor, photo):
    result = predictor(photo, "catfish, sky | treefish")
    assert result.classes == ("catfish", "sky")
    assert result.notices == ("'catfish' was read as 'catfish, fish, animal'.",)
    assert result.settings.expand
    typed = predictor(photo, [WORDS_READ, "sky | treefish"])
    assert not np.array_equal(result.class_scores, typed.class_scores)
    bare = predictor(photo, "catfish, sky | treefish", expand=False)
    assert bare.notices == ()
    assert not bare.settings.expand
    assert not np.array_equal(result.class_scores, bare.class_scores)


def test_what_is_said_of_words_and_of_nothing_found_stands_in_the_notices(predictor, photo):
    result = predictor(photo, "skie . sky and tree .", threshold=1.0)
    assert result.classes == ("skie", "sky and tree")
    assert result.notices[0] == "Read as names parted by full stops."
    assert {hint.sentence for hint in result.hints} <= {*result.notices}
    written = [hint.words for hint in result.hints if hint.words]
    assert written[:2] == ["skie, sky, tree", "sky, sky and tree"]
    (lower,) = (hint.threshold for hint in result.hints if hint.threshold)
    assert (predictor(photo, "skie . sky and tree .", threshold=lower).labels >= 0).mean() > 0.005
    assert predictor.hints(parse_classes("sky, tree")) == ()


def test_attention_and_cost_maps_expand_as_a_call_does(predictor, photo):
    out = predictor.segment(photo, "catfish, sky")
    expected = predictor(photo, "catfish, sky").crm_scores
    np.testing.assert_array_equal(out.crm_scores[0].numpy(), expected)
    view, bare = (predictor.cost_view(photo, "catfish", expand=e) for e in (True, False))
    assert not np.array_equal(view.stride16, bare.stride16)


def test_cost_maps_of_some_classes_are_those_of_each_alone(predictor, photo):
    view = predictor.cost_view(photo, "sky, cat | dog, tree", (2, 1))
    for place, words in enumerate(("tree", "cat | dog")):
        alone = predictor.cost_view(photo, words)
        np.testing.assert_allclose(view.stride16[place], alone.stride16[0], atol=1e-6)
        np.testing.assert_allclose(view.stride32[place], alone.stride32[0], atol=1e-6)
    assert len(predictor.cost_view(photo, "sky, cat | dog, tree").stride16) == 3


def test_a_result_has_the_photos_size_and_says_how_it_came_about(predictor, photo):
    result = predictor(photo, WORDS, kept_classes=4, votes_per_pixel=2, beta=0.2)
    assert result.labels.shape == result.scores.shape == photo.shape[:2]
    assert result.scores.dtype == np.float32
    assert 0 <= result.scores.min() <= result.scores.max() <= 1
    assert set(np.unique(result.labels)) <= set(result.kept)
    assert len(result.kept) == 4
    assert list(result.kept) == sorted(result.kept)
    assert len(result.classes) == len(result.crm_scores) == 7
    rows, columns = (side // 16 for side in result.settings.network_size)
    np.testing.assert_array_equal(result.votes.sum(axis=0), [rows * columns] * 2)
    np.testing.assert_allclose(result.crm_scores, result.votes @ [1, 0.2], rtol=1e-6)
    assert result.settings.kept_classes == 4
    assert result.settings.beta == 0.2
    assert {"text", "encode", "decode", "label"} <= set(result.timings)


def test_options_come_whole_or_one_by_one(predictor, photo):
    options = Options(kept_classes=4, votes_per_pixel=2, beta=0.2, threshold=0.1)
    whole = predictor(photo, WORDS, options)
    single = predictor(photo, WORDS, kept_classes=4, votes_per_pixel=2, beta=0.2, threshold=0.1)
    changed = predictor(photo, WORDS, options, kept_classes=3)
    np.testing.assert_array_equal(whole.labels, single.labels)
    assert whole.settings == single.settings
    assert (len(changed.kept), changed.settings.beta) == (3, 0.2)
    for ask in (predictor, predictor.segment, predictor.cost_view):
        with pytest.raises(TypeError, match=r"no option keep; the options are kept_classes, "):
            ask(photo, WORDS, keep=3)
    with pytest.raises(TypeError, match="no option keep"):
        predictor.attention(photo, WORDS, (5, 5), keep=3)


def test_what_options_leave_open_is_filled_in(predictor, photo, clip_model):
    settings = predictor(photo, WORDS).settings
    assert (settings.threshold, settings.input_size) == (0.0, 128)
    assert (settings.precision, settings.expand) == ("float32", True)
    assert predictor(photo, WORDS, precision="float32").settings == settings
    for ask in (predictor, predictor.segment, predictor.cost_view):
        with pytest.raises(InputError, match=r"computes in float32, not in bfloat16; load it with"):
            ask(photo, WORDS, precision="bfloat16")
    assert not Predictor(clip_model)(photo, "cat", input_size=128).settings.expand


def test_labels_index_the_names_in_the_order_they_were_typed(predictor, photo):
    typed = predictor(photo, "sky, cat, dog")
    turned = predictor(photo, ["dog", "sky", "cat"])
    assert turned.classes == ("dog", "sky", "cat")
    # Where the two best scores are equal but for rounding, the order of the sums may decide.
    same = np.array(typed.classes)[typed.labels] == np.array(turned.classes)[turned.labels]
    np.testing.assert_allclose(typed.scores, turned.scores, rtol=0, atol=1e-5)
    assert same.mean() > 0.999


def test_pixels_below_the_threshold_have_no_class(predictor, photo):
    free = predictor(photo, WORDS)
    threshold = float(np.median(free.scores))
    result = predictor(photo, WORDS, threshold=threshold)
    np.testing.assert_array_equal(result.labels == -1, free.scores < threshold)
    np.testing.assert_array_equal(
        result.labels[free.scores >= threshold], free.labels[free.scores >= threshold]
    )
    assert 0.2 < (result.labels == -1).mean() < 0.8


def test_synonyms_and_templates_are_averaged_and_normalised_again(predictor, model):
    text, _ = predictor.embed(parse_classes("cat | dog | red sofa, sky"))
    for row, synonyms in zip(text, (["cat", "dog", "red sofa"], ["sky"]), strict=True):
        prompts = [form for word in synonyms for form in (word, f"a photo of a {word}")]
        with torch.inference_mode():
            mean = torch.stack([model.encode_text([p])[0] for p in prompts]).mean(dim=0)
        torch.testing.assert_close(row, mean / mean.norm(), atol=1e-6, rtol=0)


def test_the_caches_change_nothing_and_are_bounded(model, photo, monkeypatch):
    cold = Predictor(model)(photo, WORDS)
    six_prompts = 6 * 4 * model.config.towers.embedding
    monkeypatch.setattr("errseg.inference.text_embeddings.TEXT_CACHE", six_prompts)
    monkeypatch.setattr("errseg.inference.predictor.IMAGE_CACHE", 1)
    monkeypatch.setattr("errseg.inference.predictor.RESULT_CACHE", 1)
    monkeypatch.setattr("errseg.inference.predictor.LABEL_CACHE", 1)
    small = Predictor(model)
    for words in ("cat, dog", "sky, grass, tree", WORDS, "dog", WORDS):
        warm = small(photo, words)
        assert small._text._prompts.bytes <= six_prompts
        assert small._images.bytes == small._results.bytes == small._labels.bytes == 0
    np.testing.assert_array_equal(warm.labels, cold.labels)
    np.testing.assert_array_equal(warm.scores, cold.scores)


@pytest.fixture
def calls(model, monkeypatch):
    """Names of the network's parts as they run, and of laying what they say on the pixels."""
    names = []

    def watched(name, run):
        return lambda *given, **named: names.append(name) or run(*given, **named)

    for name in ("encode_text", "encode_image", "decode"):
        monkeypatch.setattr(model, name, watched(name, getattr(model, name)))
    label = "errseg.inference.predictor.best_labels"
    monkeypatch.setattr(label, watched("label", best_labels))
    return names


ALL = ["encode_text", "encode_image", "decode", "label"]


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({}, []),
        ({"threshold": 0.7}, []),
        ({"kept_classes": 1}, ["decode", "label"]),
        ({"votes_per_pixel": 1}, ["decode", "label"]),
        ({"beta": 0.5}, ["decode", "label"]),
        ({"classes": "dog, cat"}, ["decode", "label"]),
        ({"classes": "cat, sky"}, ["encode_text", "decode", "label"]),
        ({"classes": "cat | dog, dog"}, ["decode", "label"]),
        ({"input_size": 160}, ["encode_image", "decode", "label"]),
    ],
)
def test_a_change_runs_what_it_must_and_no_more(model, photo, calls, change, runs):
    predictor = Predictor(model)
    predictor(photo, "cat, dog")
    assert calls == ALL
    calls.clear()
    changed = predictor(**{"image": photo, "classes": "cat, dog", **change})
    assert calls == runs
    fresh = Predictor(model)(**{"image": photo, "classes": "cat, dog", **change})
    np.testing.assert_array_equal(changed.labels, fresh.labels)
    np.testing.assert_allclose(changed.scores, fresh.scores, atol=1e-5)
    assert changed.classes == fresh.classes


@pytest.mark.parametrize(("everything", "runs"), [(False, ["decode"]), (True, [])])
def test_attention_decodes_only_where_nobody_has_yet(model, photo, calls, everything, runs):
    options = Options(kept_classes=3)
    cold = Predictor(model)
    first = cold.attention(photo, WORDS, (50, 30), options, everything=everything)
    assert calls == ["encode_text", "encode_image", *runs]
    warm = Predictor(model)
    result = warm(photo, WORDS, options)
    calls.clear()
    again = warm.attention(photo, WORDS, (50, 30), options, everything=everything)
    out = warm.segment(photo, WORDS, options, threshold=0.9)
    assert calls == []
    assert tuple(out.kept[0].tolist()) == result.kept
    assert again.classes.shape[-1] == (7 if everything else 3)
    torch.testing.assert_close(again.spatial, first.spatial)
    torch.testing.assert_close(again.classes, first.classes)


def test_whoever_changes_a_result_changes_no_later_one(predictor, photo):
    first = predictor(photo, WORDS)
    fields = ("labels", "scores", "crm_scores", "votes", "ranking", "class_scores")
    expected = {name: getattr(first, name).copy() for name in fields}
    for name in fields:
        getattr(first, name)[...] = 0
    again = predictor(photo, WORDS)
    for name in fields:
        np.testing.assert_array_equal(getattr(again, name), expected[name])


def test_expanded_and_bare_words_and_other_photos_are_told_apart(model, photo, calls):
    predictor = Predictor(model)
    read = predictor(photo, "catfish, sky")
    bare = predictor(photo, "catfish, sky", expand=False)
    assert not np.array_equal(read.class_scores, bare.class_scores)
    calls.clear()
    predictor.cost_view(photo, "sky")
    assert calls == []
    predictor(photo[::-1].copy(), "catfish, sky")
    assert calls == ["encode_image", "decode", "label"]


def test_encoded_photos_hold_no_more_than_is_counted(model, photo):
    predictor = Predictor(model)
    predictor(photo, WORDS)
    _, features, memory, _ = predictor._encode(photo, network_size(photo.shape[:2], model.config))
    guidance = features.guidance
    tensors = [features.dense16, features.dense32, guidance.spatial, *guidance.decoder]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    assert features.pyramid == ()
    assert sum(storages.values()) == features.bytes
    assert 0 < memory.bytes <= memory.limit
    assert predictor._images.bytes == features.bytes + memory.limit


@torch.inference_mode()
@pytest.mark.parametrize("name", ["errseg-lite", "errseg-base", "errseg-large"])
def test_a_photo_at_the_largest_input_is_remembered(name):
    with torch.device("meta"):  # shapes only
        model = build_model(name)
        pixels = torch.zeros(1, 3, LARGEST_INPUT, LARGEST_INPUT, dtype=torch.uint8)
    features = dataclasses.replace(model.encode_image(pixels), pyramid=())
    assert features.bytes + TokenMemory.of_photo(model, features).limit < IMAGE_CACHE


def test_threads_that_turn_knobs_on_one_photo_get_what_each_would_get_alone(
    model, photo, monkeypatch
):
    monkeypatch.setattr(
        "errseg.inference.token_memory.KNOWN_CLASSES", 3
    )  # so that tokens are dropped too
    monkeypatch.setattr("errseg.inference.predictor.RESULT_CACHE", 0)
    knobs = [Options(kept_classes=p, votes_per_pixel=k) for p in (1, 2, 4, 7) for k in (1, 3)]
    alone = [Predictor(model)(photo, WORDS, knob) for knob in knobs]
    shared = Predictor(model)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: shared(photo, WORDS, knobs[i % 8]), range(32)))
    for index, result in enumerate(together):
        expected = alone[index % 8]
        assert result.kept == expected.kept
        np.testing.assert_allclose(result.class_scores, expected.class_scores, atol=1e-5)


def test_threads_that_share_a_predictor_get_what_each_would_get_alone(model, make_pixels):
    photos = [make_pixels(1, 64, 96, seed)[0].permute(1, 2, 0).numpy() for seed in range(4)]
    words = ["cat, dog", "sky, grass, tree", WORDS, "road | tree, sofa, dog, sky"]
    alone = [Predictor(model)(p, w, kept_classes=3) for p, w in zip(photos, words, strict=True)]
    shared = Predictor(model)
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda i: shared(photos[i % 4], words[i % 4], kept_classes=3), range(24))
        )
    for index, result in enumerate(together):
        expected = alone[index % 4]
        assert result.classes == expected.classes
        assert result.kept == expected.kept
        np.testing.assert_array_equal(result.labels, expected.labels)
        np.testing.assert_array_equal(result.scores, expected.scores)


def test_paths_images_and_arrays_give_the_same(predictor, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    expected = predictor(photo, WORDS)
    for image in (tmp_path / "photo.png", str(tmp_path / "photo.png"), Image.fromarray(photo)):
        np.testing.assert_array_equal(predictor(image, WORDS).labels, expected.labels)


@pytest.mark.parametrize("words", ["cat", "cat, dog"])
def test_vocabularies_smaller_than_k_and_p_work(predictor, photo, words):
    result = predictor(photo, words, kept_classes=32, votes_per_pixel=3)
    assert result.kept == tuple(range(len(result.classes)))
    assert result.votes.shape[1] == len(result.classes)


def test_what_was_changed_is_said(predictor, photo):
    words = "cat, dog, cat,, " + "red " * 20 + "sofa"
    notices = predictor(photo, words).notices
    assert notices[0] == "Left out as repeated: cat."
    assert "blank" in notices[1]
    assert "too long for the text tower" in notices[2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": ""}, "No class"),
        ({"classes": []}, "No class"),
        ({"kept_classes": 0}, "P"),
        ({"votes_per_pixel": 0}, "K"),
        ({"beta": 1.5}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"input_size": 32}, "input size"),
        ({"input_size": 10**9}, "input size"),
        ({"image": np.zeros((1, 1, 3), np.uint8)}, "1 x 1"),
    ],
)
def test_what_cannot_be_used_is_refused(predictor, photo, change, sentence):
    with pytest.raises(InputError, match=sentence):
        predictor(**{"image": photo, "classes": WORDS, **change})

"""Text embeddings that ship: used for what they were written for, never for anything else."""

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from errseg.errors import InputError
from errseg.inference import text_embeddings
from errseg.inference.shipped_text import read_text, write_text
from errseg.inference.text_embeddings import VocabularyEmbedder
from errseg.words.vocabulary import parse_classes

WORDS = parse_classes("cat, dog | red sofa, catfish")  # the last is read with its hypernyms


@pytest.fixture
def written(lite_model, tmp_path):
    """A file with the words' rows."""
    embedder, path = VocabularyEmbedder(lite_model), tmp_path / "text.safetensors"
    readings = embedder.readings(WORDS)
    write_text(path, lite_model, readings, embedder.rows(readings))
    return path


@pytest.fixture
def embedder(lite_model, written, monkeypatch):
    """An embedder to which the file ships; what it encodes stands in `encoded`."""
    monkeypatch.setattr(text_embeddings, "shipped_text", lambda model: read_text(written, model))
    embedder = VocabularyEmbedder(lite_model)
    encode_text, embedder.encoded = lite_model.encode_text, []
    monkeypatch.setattr(
        lite_model, "encode_text", lambda x: embedder.encoded.extend(x) or encode_text(x)
    )
    return embedder


def test_what_ships_is_not_computed_and_is_the_same_in_16_bits(embedder, lite_model):
    expected, said = VocabularyEmbedder(lite_model, use_shipped=False)(WORDS)
    embedder.encoded.clear()
    found, notices = embedder(WORDS)
    assert embedder.encoded == []
    assert embedder.unread(WORDS) == []
    torch.testing.assert_close(found, expected, rtol=0, atol=2**-10)
    assert (found != expected).any()  # it is the file that was used
    assert notices == said == ["'catfish' was read as 'catfish, fish, animal'."]


def test_single_words_are_taken_from_what_ships_and_others_computed(embedder):
    embedder(parse_classes("sofa, dog"))
    assert embedder.encoded == ["sofa", "a photo of a sofa"]
    assert len(embedder.unread(parse_classes("cat, tree"))) == 2


def test_a_word_that_is_read_otherwise_is_computed(embedder):
    embedder(parse_classes("catfish"), expand=False)
    assert embedder.encoded == ["catfish", "a photo of a catfish"]
    embedder(parse_classes(["catfish, fish, animal"]))  # typed so
    assert "catfish, fish, animal" in embedder.encoded


def test_too_long_words_are_told_of_beside_words_that_ship(embedder, lite_model):
    long = " ".join(["red"] * lite_model.config.towers.context_length)
    _, notices = embedder(parse_classes(["cat", long[:99]]))
    _, told = VocabularyEmbedder(lite_model, use_shipped=False)(parse_classes(["cat", long[:99]]))
    assert notices == told
    assert len(notices) == 1


@pytest.mark.parametrize("change", ["weights", "templates", "share"])
def test_other_weights_or_another_prompting_use_none_of_it(written, make_model, change):
    model = make_model(lite=True, cost_shortcut=True)
    towers = model.config.towers
    changed = {"templates": {"templates": ("{}",)}, "share": {"hypernyms_share": 0.5}}
    towers = dataclasses.replace(towers, **changed.get(change, {}))
    model.config = dataclasses.replace(model.config, towers=towers)
    assert len(read_text(written, make_model(lite=True))) == 4
    model.weights_hash = "ab" * 32 if change == "weights" else ""
    assert len(read_text(written, model)) == 0


@pytest.mark.parametrize("what", ["rows", "readings", "weights"])
def test_a_changed_file_is_refused(written, lite_model, what):
    with safe_open(written, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(written)
    if what == "rows":
        tensors["rows"][1, 2] += 0.25
    elif what == "readings":
        metadata["readings"] = json.dumps({"sky": "sky", **json.loads(metadata["readings"])})
    else:
        metadata["weights"] = "ab" * 32
    save_file(tensors, written, metadata)
    with pytest.raises(InputError, match=r"was changed after it was written; get it again"):
        read_text(written, lite_model)


@pytest.mark.parametrize("content", [b"", b"no safetensors file", None])
def test_a_file_that_is_none_is_refused(tmp_path, lite_model, content):
    path = tmp_path / "text.safetensors"
    if content is None:
        save_file({"rows": torch.zeros(1, 4)}, path)  # without metadata
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.safetensors"):
        read_text(path, lite_model)

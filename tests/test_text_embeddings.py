"""Text embeddings: what they are the mean of, and that each is computed once, restarts included."""

import pytest
import torch
from torch.nn import functional as F

from errseg.checkpoints.weights import load_model, save_model
from errseg.inference.text_embeddings import VocabularyEmbedder, expansion_notices
from errseg.words.vocabulary import parse_classes


@pytest.fixture
def saved(make_model, tmp_path, monkeypatch):
    """A model's file, and an empty cache."""
    path = tmp_path / "model.safetensors"
    save_model(make_model(lite=True), path)
    monkeypatch.setenv("ERRSEG_CACHE", str(tmp_path / "cache"))
    return path


def embed_counted(model, monkeypatch):
    """Embed some words anew; return them and the prompts that were encoded."""
    encoded, encode_text = [], model.encode_text
    monkeypatch.setattr(model, "encode_text", lambda x: encoded.extend(x) or encode_text(x))
    text, _ = VocabularyEmbedder(model)(parse_classes("cat, dog, red sofa"))
    return text, encoded


def test_a_restart_encodes_no_prompt_again(saved, monkeypatch):
    first, encoded = embed_counted(load_model(saved), monkeypatch)
    assert len(encoded) == 6  # three words, two templates
    again, encoded = embed_counted(load_model(saved), monkeypatch)
    assert encoded == []
    assert torch.equal(first, again)


def test_another_precision_encodes_for_itself(saved, monkeypatch):
    embed_counted(load_model(saved), monkeypatch)
    _, encoded = embed_counted(load_model(saved, precision="bfloat16"), monkeypatch)
    assert len(encoded) == 6


def test_random_weights_leave_nothing_on_disk(saved, make_model, monkeypatch, tmp_path):
    _, encoded = embed_counted(make_model(lite=True), monkeypatch)
    assert len(encoded) == 6
    assert not (tmp_path / "cache").exists()


def test_a_vocabulary_that_was_embedded_is_put_together_once(lite_model, monkeypatch):
    embedder, words = VocabularyEmbedder(lite_model), "cat, dog, capybara"
    text, notices = embedder(parse_classes(words))
    assert notices
    said = [*notices]
    notices.append("What a caller adds is its own.")
    monkeypatch.setattr(embedder, "rows", None)
    again = embedder(parse_classes(words))
    assert torch.equal(again[0], text)
    assert again[1] == said
    monkeypatch.setattr(embedder, "_prompts_of", None)
    assert embedder.unread(parse_classes(words)) == []


def test_what_is_remembered_holds_no_more_than_its_size(lite_model):
    """A row of a batch would hold the whole batch, however many of its rows are forgotten."""
    embedder = VocabularyEmbedder(lite_model)
    embedder(parse_classes("cat, dog, red sofa"))
    kept = [embedder._prompts.get(prompt) for prompt in ("cat", "a photo of a red sofa")]
    assert all(value.untyped_storage().nbytes() == value.nbytes for value in kept)


def test_hypernyms_count_as_much_as_the_configuration_says(lite_model):
    """The embeddings of what is read with the word, and their share of those without it."""
    embedder, templates = VocabularyEmbedder(lite_model), lite_model.config.towers.templates
    found, _ = embedder(parse_classes("catfish, sky"))
    with_word, without = (
        lite_model.encode_text([template.format(words) for template in templates]).mean(dim=0)
        for words in ("catfish, fish, animal", "fish, animal")
    )
    expected = F.normalize(with_word + lite_model.config.towers.hypernyms_share * without, dim=-1)
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-5)
    assert (found[0] - F.normalize(with_word, dim=-1)).norm() > 1e-3


def test_clip_reads_words_as_they_are(clip_model):
    words = parse_classes("capybara, alpaca")
    assert VocabularyEmbedder(clip_model)(words)[1] == []


def test_of_many_expanded_words_some_are_named():
    said = expansion_notices({f"w{i}": f"w{i}, animal" for i in range(8)})
    assert said[0] == "'w0' was read as 'w0, animal'."
    assert said[5:] == ["So were 3 more words that the text tower spells out."]

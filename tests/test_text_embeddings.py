"""Text embeddings are computed once: within a process, and after a restart too."""

import pytest
import torch

from errseg.checkpoints.weights import load_model, save_model
from errseg.inference.text_embeddings import VocabularyEmbedder
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


def test_what_is_remembered_holds_no_more_than_its_size(lite_model):
    """A row of a batch would hold the whole batch, however many of its rows are forgotten."""
    embedder = VocabularyEmbedder(lite_model)
    embedder(parse_classes("cat, dog, red sofa"))
    kept = [embedder._prompts.get(prompt) for prompt in ("cat", "a photo of a red sofa")]
    assert all(value.untyped_storage().nbytes() == value.nbytes for value in kept)

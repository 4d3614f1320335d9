"""The command ``embed``: the text embeddings that ship with the weights that ship."""

import argparse

from errseg.commands.options import DEFAULT_MODEL, add_beside_weights, check_writable
from errseg.config import EMBEDDED_TEXT
from errseg.words.union import named_union
from errseg.words.vocabulary import BACKGROUND_WORDS, Vocabulary, parse_classes

HELP = "write the text embeddings that ship with the weights"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``embed``."""
    add_beside_weights(parser, EMBEDDED_TEXT)


def run(args: argparse.Namespace) -> str:
    """Embed all words that the page offers, once, and write them."""
    check_writable(args.out)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.shipped_text import write_text
    from errseg.inference.text_embeddings import VocabularyEmbedder

    model = load_model(DEFAULT_MODEL, args.device)
    embedder = VocabularyEmbedder(model, use_shipped=False)
    readings = embedder.readings(offered_words())
    write_text(args.out, model, readings, embedder.rows(readings))
    size = args.out.stat().st_size / 10**6
    return f"Wrote {args.out}, {len(readings):,} words, {size:.2f} MB."


def offered_words() -> Vocabulary:
    """List every word of the named vocabularies, of the examples and of the surroundings once."""
    from errseg.demo.backend.examples import load_examples

    examples = (parse_classes(example.classes) for example in load_examples())
    vocabularies = (named_union(), *examples, parse_classes(BACKGROUND_WORDS))
    prompts = (prompt for vocabulary in vocabularies for prompt in vocabulary.classes)
    return parse_classes([word for prompt in prompts for word in prompt.synonyms])

"""Help with the words: ready-made vocabularies, background words, and what to look at again."""

from errseg.demo.backend.models import Models
from errseg.errors import InputError
from errseg.words.names import check_length
from errseg.words.relations import plain_name, synonyms
from errseg.words.vocabulary import (
    BACKGROUND_WORDS,
    MAX_CLASSES,
    Vocabulary,
    fill_templates,
    parse_classes,
    suggested_kept_classes,
)

MOST_LOOKED_AT = 60  # long words whose tokens are counted while somebody types
MOST_PAIRS = 3  # pairs of near-synonyms that are named


def append(text: str | None, vocabulary: Vocabulary) -> str:
    """Add the classes of a vocabulary that a text doesn't name yet, in their order.

    Raises:
        InputError: the text can't be read, or too many classes or characters would result.
    """
    if text is None or (isinstance(text, str) and not text.strip()):
        return vocabulary.text
    both = parse_classes(text, limit=MAX_CLASSES).extend(vocabulary)
    longer = parse_classes(both, limit=MAX_CLASSES).text
    check_length(len(longer))
    return longer


def append_background(text: str | None) -> str:
    """Add everyday surroundings, so that they aren't painted as the nearest wrong class."""
    return append(text, parse_classes(list(BACKGROUND_WORDS)))


def near_synonyms(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Find pairs of classes that share a word or its plural, or are known as synonyms."""
    owner: dict[str, str] = {}
    pairs = {}
    for prompt in vocabulary.classes:
        own = {plain_name(word) for word in prompt.synonyms}
        known = own | {other for word in own for other in synonyms(word)}
        known |= {f"{word}s" for word in own} | {word[:-1] for word in own if word.endswith("s")}
        for word in sorted(known):
            if word in owner:
                pairs[owner[word], prompt.name] = None
        for word in own:
            owner.setdefault(word, prompt.name)
    return list(pairs)


def too_long(models: Models, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Name classes whose prompts the text tower would cut; none while it isn't there.

    Of very many long words only the first are looked at; a result's notices name all.
    """
    if not models.loaded:
        return ()
    towers = models.predictor.model.towers
    templates, limit = towers.config.templates, towers.config.context_length
    # A token stands for one byte at least: shorter words can't be cut.
    room = limit - max(map(len, templates))
    long = [
        (prompt.name, word)
        for prompt in vocabulary.classes
        for word in prompt.synonyms
        if len(word.encode()) > room
    ]
    prompts = [
        (name, filled)
        for name, word in long[:MOST_LOOKED_AT]
        for filled in fill_templates(word, templates)
    ]
    lengths = towers.prompt_lengths([filled for _, filled in prompts]) if prompts else []
    cut = (n for (n, _), length in zip(prompts, lengths, strict=True) if length > limit)
    return tuple(dict.fromkeys(cut))


def lint(text: str | Vocabulary | None, cut: tuple[str, ...] = ()) -> list[str]:
    """Say what there is to know about a text of classes before it is used, in short sentences.

    Nothing where there is nothing: how many they are stands beside P.

    Args:
        text: as typed, or as it was read.
        cut: names that are too long for the text tower, if that is known.
    """
    try:
        vocabulary = parse_classes(text, limit=MAX_CLASSES)
    except InputError as error:
        return [str(error)]
    size, sentences = len(vocabulary), [*vocabulary.notices]
    if (advice := suggested_kept_classes(size)) < size:
        sentences.insert(0, f"{size:,} classes; the paper's P is {advice}.")
    if pairs := near_synonyms(vocabulary):
        named = "; ".join(f"{a} and {b}" for a, b in pairs[:MOST_PAIRS])
        more = f" and {len(pairs) - MOST_PAIRS} more" if len(pairs) > MOST_PAIRS else ""
        sentences.append(f"Nearly the same: {named}{more}. Write a | b for one class.")
    if cut:
        sentences.append(f"Too long to be read whole: {', '.join(cut[:MOST_PAIRS])}.")
    return sentences


def kept_for(chosen: int | None, size: int) -> int:
    """Choose P for a vocabulary's size: what the visitor chose, if they did, or the paper's."""
    return suggested_kept_classes(size) if chosen is None else min(chosen, size)

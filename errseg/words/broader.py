"""Which of some classes are broader than others of them: `chair` beside `swivel chair`.

Whoever names both means by the broader one the rest of what it names, as the lists of the
benchmarks do (COCO-Stuff's `furniture-other`). Only what `errseg.words.relations` knows of counts,
by which training taught that both are right: WordNet's first senses make a kite a bird.
"""

import functools
from collections import Counter

from errseg.words.relations import broader_names, plain_name
from errseg.words.vocabulary import ClassPrompt

_REMEMBERED = 32  # vocabularies


@functools.lru_cache(_REMEMBERED)
def are_broader(classes: tuple[ClassPrompt, ...]) -> tuple[bool, ...]:
    """Say of each class whether one of its names is broader than another class's."""
    above = [
        frozenset().union(*(broader_names(name) for name in prompt.synonyms)) for prompt in classes
    ]
    counts = Counter(name for own in above for name in own)
    return tuple(
        any(counts[name] > (name in own) for name in map(plain_name, prompt.synonyms))
        for prompt, own in zip(classes, above, strict=True)
    )

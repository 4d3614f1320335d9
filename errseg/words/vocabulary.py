"""Vocabularies: what a person typed, the benchmarks' class lists, and the words of a prompt.

A vocabulary is an ordered list of T classes. Each class has a name, which is shown, and one or
more synonyms, which are prompted; the text embeddings of a class's synonyms are averaged and
normalised again.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from errseg.errors import InputError
from errseg.words.names import check_length, read_synonyms
from errseg.words.plain import SEPARATOR, quoted

MAX_CLASSES = 1000
"""Most classes the app and the command line accept: the largest benchmark, ADE20K 847, must fit."""
MAX_EXTRA_SYNONYMS = 1000
"""Most synonyms beyond the first, over all classes: they cost text-tower time as classes do.
ADE20K 847 with all of its synonyms has 423."""
BACKGROUND_WORDS = tuple(
    "wall floor ceiling window furniture sky building tree grass ground road water mountain".split()
)
"""Everyday surroundings; without some of these a short vocabulary paints them as wrong classes."""

# The smallest vocabulary size of each row of Table XIII, and its best number of kept classes P:
# ADE20K 847 and PASCAL-Context 459: 48, ADE20K 150: 32, PASCAL-Context 59: 24, PASCAL VOC 20: 16.
_KEPT_CLASSES = ((459, 48), (150, 32), (59, 24), (1, 16))

_NAMES_QUOTED = 5  # of repeated classes, in the notice on them


@dataclass(frozen=True)
class ClassPrompt:
    """One class of a vocabulary."""

    name: str  # what is shown; the first synonym
    synonyms: tuple[str, ...]  # what is prompted, at least the name
    aliases: tuple[str, ...] = ()  # not prompted: a benchmark's own spelling, further synonyms

    @functools.cached_property
    def text(self) -> str:
        """The class as a person would type it, see `Vocabulary.text`."""
        return " | ".join(map(quoted, self.synonyms))


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of T classes."""

    classes: tuple[ClassPrompt, ...]  # in label order; a class's index is its label
    # What was changed on reading, in short plain sentences.
    notices: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The T names, in label order."""
        return tuple(prompt.name for prompt in self.classes)

    @property
    def text(self) -> str:
        """The vocabulary as a person would type it, for a text box or a command line.

        `parse_classes` reads it back: names that hold a separator, or that could be taken for the
        mark of a list, stand in quotation marks.
        """
        text = ", ".join(prompt.text for prompt in self.classes)
        # All of a text in quotation marks would be read as the list that stands in them.
        return text + "," if len(self) == 1 and SEPARATOR.search(text) else text

    def extend(self, other: Self) -> Self:
        """Add the classes of another vocabulary that this one has no word for, in their order.

        All words of a class count, prompted or not; upper and lower case are the same. A word that
        `other` prompts is no other class's alias there: "machine" is ade847's machine, not its car.
        """
        prompted = {word.casefold() for prompt in other.classes for word in prompt.synonyms}
        mine = {
            word.casefold()
            for prompt in self.classes
            for word in (*prompt.synonyms, *prompt.aliases)
        }

        def is_known(prompt: ClassPrompt) -> bool:
            aliases = {word.casefold() for word in prompt.aliases} - prompted
            return not mine.isdisjoint({word.casefold() for word in prompt.synonyms} | aliases)

        added = (prompt for prompt in other.classes if not is_known(prompt))
        return Vocabulary((*self.classes, *added), self.notices)


def parse_classes(
    classes: str | Sequence[str] | Vocabulary, limit: int | None = None
) -> Vocabulary:
    """Read a vocabulary as a person gives it.

    In a string, commas, semicolons, new lines and tabs part classes, but for those in quotation
    marks: `"door, double door", wall`. What was pasted from elsewhere is read as what it is, with a
    notice: lists as JSON, Python and YAML write them, tables with ids, numbered and bulleted lists,
    names parted by full stops (`temple . sky . tree .`). In a list each item is one class, and a
    comma inside an item stays part of its name. In both, bars part the synonyms of one class:
    `sofa | couch`. White space is collapsed, characters that can't be seen are
    removed, Unicode is brought to the form NFC. Blanks and repeated names (upper and lower case
    count as the same) are left out with a notice; the first of equal names stays. An empty line
    or a separator at the end of a line is no blank. The result has at least one class, and its
    `Vocabulary.text` is read as the same again.

    Everything is bounded before it is looked at: the longest text allowed takes some 20 ms.

    Args:
        classes: the text, the list, or a vocabulary, which is returned as it is.
        limit: most classes to accept, or None.

    Raises:
        InputError: there is no class, there are more than `limit`, there are too many synonyms,
            or the text is more than `read_synonyms` reads.
    """
    if isinstance(classes, Vocabulary):
        _check_size(len(classes), limit)
        return classes

    blanks, prompts, repeats = 0, {}, {}
    every, how = read_synonyms(classes)
    for synonyms in every:
        if not synonyms:
            blanks += 1
        elif (key := synonyms[0].casefold()) in prompts:
            repeats.setdefault(key, prompts[key].name)
        else:
            prompts[key] = ClassPrompt(synonyms[0], synonyms)

    _check_size(len(prompts), limit)
    extra = sum(len(prompt.synonyms) - 1 for prompt in prompts.values())
    if extra > MAX_EXTRA_SYNONYMS:
        raise InputError(
            f"The classes have {extra:,} synonyms beyond their names; "
            f"at most {MAX_EXTRA_SYNONYMS:,} are possible."
        )
    notices = [*how]
    if repeats:
        more = len(repeats) - _NAMES_QUOTED
        named = ", ".join([*repeats.values()][:_NAMES_QUOTED])
        named += f" and {more:,} more" if more > 0 else ""
        notices.append(f"Left out as repeated: {named}.")
    if blanks:
        notices.append(f"Left out: {blanks:,} blank{'s' if blanks > 1 else ''}.")
    vocabulary = Vocabulary(tuple(prompts.values()), tuple(notices))
    # It may be longer than what was typed: NFC makes three characters of some, and a separator gets
    # its spaces.
    check_length(len(vocabulary.text))
    return vocabulary


def fill_templates(name: str, templates: Sequence[str]) -> list[str]:
    """Put a name in the place of `{}` in each template.

    Only `{}` is replaced, so braces in a name or elsewhere in a template do no harm.

    Raises:
        ValueError: a template has no place for the name.
    """
    for template in templates:
        if "{}" not in template:
            raise ValueError(f"The template {template!r} has no {{}} for the class name.")
    return [template.replace("{}", name) for template in templates]


def named_vocabularies() -> dict[str, str]:
    """List the benchmarks' vocabularies: name -> one-line description, smallest first."""
    return {name: f"{file['title']}: {file['description']}" for name, file in _lists().items()}


def load_vocabulary(name: str, published_spelling: bool = False) -> Vocabulary:
    """Read a benchmark's vocabulary, in its label order.

    Every class is prompted by one word, as in the published models, which use the first of a
    benchmark's synonyms; the others are aliases.

    Args:
        name: one of `named_vocabularies()`.
        published_spelling: false for plain spellings, all different: `dining table` where the
            benchmark writes `diningtable`, and the next synonym where it gives two classes the
            same first one; true for the benchmark's own, which the published figures rest on.

    Raises:
        InputError: there is no such vocabulary.
    """
    key = str(name).strip().lower()
    if key not in _lists():
        raise InputError(f"There is no vocabulary {name!r}; there are {', '.join(_lists())}.")
    prompts = []
    for entry in _lists()[key]["classes"]:
        words = [entry["name"], *entry.get("also", ())]
        if "benchmark" in entry:
            words.insert(0 if published_spelling else 1, entry["benchmark"])
        prompts.append(ClassPrompt(words[0], (words[0],), tuple(words[1:])))
    return Vocabulary(tuple(prompts))


def suggested_kept_classes(vocabulary_size: int) -> int:
    """Look up the paper's advice for P, the number of classes that CRM keeps (Table XIII).

    A size between two of the table's takes the smaller one's P. Never more than the size.

    Raises:
        ValueError: the size, T, is below 1.
    """
    if vocabulary_size < 1:
        raise ValueError(f"A vocabulary has at least 1 class, not {vocabulary_size}.")
    kept = next(kept for size, kept in _KEPT_CLASSES if vocabulary_size >= size)
    return min(kept, vocabulary_size)


def _check_size(size: int, limit: int | None) -> None:
    if size == 0:
        raise InputError("No class was given; type at least one word, such as: dog, grass, sky.")
    if limit is not None and size > limit:
        raise InputError(f"{size:,} classes were given; at most {limit:,} are possible.")


@functools.cache
def _lists() -> dict[str, dict]:
    """Read the benchmarks' files by name, smallest first.

    Each has a title, a description, and classes as {name, benchmark?, also?}: `benchmark` is its
    first synonym where that differs from the name, `also` are its further synonyms.
    """
    files = Path(__file__).with_name("lists").glob("*.json")
    lists = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    return dict(sorted(lists.items(), key=lambda item: len(item[1]["classes"])))

"""Make the extract of WordNet 3.0 that ships with the code.

``python assets/wordnet/make_extract.py [--source DIR] [--out FILE]`` reads WordNet's own files, as
Debian's wordnet-base installs them, and writes ``nouns.txt.xz``, ``other_words.txt.xz`` and
WordNet's licence. Nothing else is needed, and `errseg.words.wordnet`, which reads the extract,
describes its format.
"""

from __future__ import annotations

import argparse
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path("/usr/share/wordnet")
OUT = Path(__file__).resolve().parent / "nouns.txt.xz"
SOURCE_FILES = ("data.noun", "index.noun", "noun.exc", "index.adj", "index.verb", "index.adv")
OTHER_WORDS = "other_words.txt.xz"  # beside the nouns
LEMMA_SEPARATOR, FIELD_SEPARATOR, OTHER_SENSE = "|", "\t", "~"
LICENSE_FILE = "LICENSE.txt"

# WordNet's lexicographer files (lexnames(5WN)) for what a photo shows, by number, in the order in
# which senses that no corpus was tagged with are tried: the alpaca before its wool.
_PHYSICAL = {
    3: "tops",
    5: "animal",
    20: "plant",
    6: "artifact",
    13: "food",
    18: "person",
    8: "body",
    17: "object",
    15: "location",
    19: "phenomenon",
    27: "substance",
    14: "group",
    10: "communication",  # signs and lights
}
_RANK = {number: rank for rank, number in enumerate(_PHYSICAL)}
_WITH_INSTANCES = (6, 17)  # the Eiffel Tower and Mount Everest; no person, no town
_TAXON = "taxonomic group"  # families and genera, which share their kinds' Latin names


@dataclass(frozen=True)
class _Synset:
    file: int
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]
    instance: bool  # of its hypernym, rather than a kind of it


def write_extract(source: Path, out: Path) -> int:
    """Write the extract, other words and WordNet's licence beside it.

    Args:
        source: folder with WordNet 3.0's `SOURCE_FILES`.
        out: the file to write, ``.txt.xz``.

    Returns:
        the number of synsets.

    Raises:
        FileNotFoundError: the folder lacks a file.
    """
    synsets = _read_synsets(source / "data.noun")
    senses = _read_senses(source / "index.noun")
    kept = {key for key, synset in synsets.items() if _shown(synset, key, synsets)}
    first = {}
    for word, (keys, tagged) in senses.items():
        # The senses that WordNet's corpora hold come first, in its order.
        ranked = [key for key in keys[:tagged] if key in kept]
        ranked += sorted(
            (key for key in keys[tagged:] if key in kept),
            # Names of breeds and towns give way: a cardigan is a jacket, a Cardigan a dog.
            key=lambda key: (word not in synsets[key].words, _RANK[synsets[key].file]),
        )
        first |= {word: ranked[0]} if ranked else {}
    order = _order(synsets, kept)
    places = {key: place for place, key in enumerate(order)}
    lines = [_line(key, synsets[key], places, first) for key in order]
    plurals = (source / "noun.exc").read_text(encoding="utf-8").split("\n")
    exceptions = [
        FIELD_SEPARATOR.join(words[:2])
        for words in (line.split() for line in plurals)
        if len(words) > 1 and "_" not in words[0] and words[1] in first
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*lines, "", *exceptions, ""])
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0}]
    for path, content in (
        (out, text),
        (out.with_name(OTHER_WORDS), "\n".join(sorted(_other_words(source, senses, first)))),
    ):
        path.write_bytes(lzma.compress(content.encode(), lzma.FORMAT_XZ, filters=filters))
    (out.parent / LICENSE_FILE).write_text(_license(source / "data.noun"), encoding="utf-8")
    return len(lines)


def _other_words(
    source: Path, senses: dict[str, tuple[list[str], int]], nouns: dict[str, str]
) -> set[str]:
    """List adjectives, verbs, and the adverbs and other nouns that WordNet's corpora hold."""
    words = {word for word, (_, tagged) in senses.items() if tagged}
    words |= {*_read_senses(source / "index.adj"), *_read_senses(source / "index.verb")}
    words |= {w for w, (_, tagged) in _read_senses(source / "index.adv").items() if tagged}
    return {word for word in words if word.isalpha()} - {*nouns}


def _read_synsets(path: Path) -> dict[str, _Synset]:
    """Read ``data.noun`` (wndb(5WN)): offset -> synset."""
    synsets = {}
    for line in _entries(path):
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]
        pairs = list(zip(pointers[::4], pointers[1::4], strict=False))
        kinds = tuple(offset for symbol, offset in pairs if symbol == "@")
        instances = tuple(offset for symbol, offset in pairs if symbol == "@i")
        synsets[fields[0]] = _Synset(
            int(fields[1]), words, kinds or instances, instance=bool(instances)
        )
    return synsets


def _read_senses(path: Path) -> dict[str, tuple[list[str], int]]:
    """Read ``index.noun`` or its like: word -> offsets of its senses, how many corpora hold."""
    senses = {}
    for line in _entries(path):
        fields = line.split()
        count = int(fields[2])
        senses[fields[0].replace("_", " ")] = (fields[-count:], int(fields[-count - 1]))
    return senses


def _entries(path: Path) -> Iterator[str]:
    """Yield a file's lines without the licence, whose lines begin with blanks."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith(" "))


def _license(path: Path) -> str:
    """Return the licence at the top of a file of WordNet's, without its line numbers."""
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if line.startswith(" ")]
    return "".join(line[2:].lstrip("0123456789")[1:].rstrip() + "\n" for line in lines)


def _shown(synset: _Synset, key: str, synsets: dict[str, _Synset]) -> bool:
    if synset.file not in _PHYSICAL or (synset.instance and synset.file not in _WITH_INSTANCES):
        return False
    return all(synsets[above].words[0] != _TAXON for above in [key, *_above(key, synsets)])


def _above(key: str, synsets: dict[str, _Synset]) -> Iterator[str]:
    while synsets[key].hypernyms:
        key = synsets[key].hypernyms[0]
        yield key


def _order(synsets: dict[str, _Synset], kept: set[str]) -> list[str]:
    """Order the kept synsets and all above them, a hypernym before its kinds."""
    order: dict[str, None] = {}
    for key in sorted(kept):
        order |= dict.fromkeys([*reversed([*_above(key, synsets)]), key])
    return list(order)


def _line(key: str, synset: _Synset, places: dict[str, int], first: dict[str, str]) -> str:
    words = LEMMA_SEPARATOR.join(
        word if first.get(word.lower()) == key else OTHER_SENSE + word for word in synset.words
    )
    distance = places[key] - places[synset.hypernyms[0]] if synset.hypernyms else ""
    return f"{words}{FIELD_SEPARATOR}{distance}"


def main() -> None:
    """Read the options and write the extract."""
    parser = argparse.ArgumentParser(description="Make the extract of WordNet 3.0's nouns.")
    parser.add_argument(
        "--source", type=Path, default=SOURCE, metavar="DIR", help=f"WordNet's files ({SOURCE})"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="FILE", help="the shipped file by default"
    )
    args = parser.parse_args()
    for name in SOURCE_FILES:
        if not (args.source / name).is_file():
            parser.error(f"there is no {name} in {args.source}; give WordNet 3.0's folder")
    synsets = write_extract(args.source, args.out)
    print(f"Wrote {synsets:,} synsets to {args.out}, {args.out.stat().st_size:,} bytes.")


if __name__ == "__main__":
    main()

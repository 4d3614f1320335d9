"""What stands on the command line for photos and for words: files, folders, patterns, @files."""

import codecs
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from errseg.errors import InputError
from errseg.words.names import MAX_TEXT_LENGTH

PHOTO_ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"),
    *(".heic", ".heif"),
)
"""Of files in folders that are taken for photos, in small letters."""
WILD = re.compile(r"[*?\[]")
WORD_FILE = "@"  # before a file's name where words are asked for
LIKE_A_FILE = re.compile(r"[^,;\n]+\.(txt|csv|tsv|json|ya?ml|names|md|docx?|xlsx?)", re.IGNORECASE)
MOST_BYTES = 4 * MAX_TEXT_LENGTH  # of a file of words: as many as its letters may have in UTF-8
BYTE_ORDER = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # before text in UTF-16
WESTERN = "cp1252"  # of what is no UTF-8, as older Windows programs write


def photo_files(places: Sequence[Path]) -> list[Path]:
    """List the photos that were named: files, those in folders, those that fit a pattern.

    Folders are not searched deeper. A name that fits nothing stays in the list: who reads it has a
    sentence for it. No file is listed twice.

    Raises:
        InputError: a folder or a pattern holds no photo.
    """
    files: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            found = _photos_in(sorted(place.iterdir()))
            if not found:
                raise InputError(f"{place} holds no photos ({', '.join(PHOTO_ENDINGS)}).")
        elif WILD.search(str(place)) and not place.exists():
            found = _photos_in(sorted(map(Path, glob.glob(str(place), recursive=True))))
            if not found:
                raise InputError(f"No photo fits the pattern {place}.")
        else:
            found = [place]
        files |= dict.fromkeys(found)
    return [*files]


def _photos_in(paths: Sequence[Path]) -> list[Path]:
    """Choose the photos among files; hidden ones are left out, such as a Mac's ``._a.jpg``."""
    return [
        path
        for path in paths
        if path.suffix.lower() in PHOTO_ENDINGS and path.name[0] != "." and path.is_file()
    ]


def folder_names(files: Sequence[Path]) -> list[str]:
    """Name a folder for each photo: its name without the ending, or all of it, or with a number.

    So no two are the same, whether or not the system tells small letters from capital ones.
    """
    stems = [file.stem.casefold() for file in files]
    used, names = set(), []
    for file, stem in zip(files, stems, strict=True):
        name = base = file.stem if stems.count(stem) == 1 else file.name
        number = 1
        while name.casefold() in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name.casefold())
        names.append(name)
    return names


def typed_words(text: str) -> str:
    """Return words as they were typed, or those of the file that ``@FILE`` names.

    Raises:
        InputError: the file can't be read, or what was typed is a file's name without the @.
    """
    name = text.strip()
    if name.startswith(WORD_FILE):
        return _words_of(Path(name.removeprefix(WORD_FILE)))
    has_place = os.sep in name or Path(name).suffix
    if LIKE_A_FILE.fullmatch(name) or (has_place and _is_file(name)):
        raise InputError(
            f"{name} is a file's name and would be read as a class; to read the words in the file, "
            f"write --classes {WORD_FILE}{name}."
        )
    return text


def _words_of(path: Path) -> str:
    if not _is_file(str(path)):
        raise InputError(f"There is no file {path} with words.")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is too long for a list of words: more than {MOST_BYTES:,} bytes.")
    if content.startswith(BYTE_ORDER):
        return content.decode("utf-16", "replace")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode(WESTERN, "replace")
    if "\0" in text:
        raise InputError(f"{path} is no text; give a file with a class a line.")
    return text


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False

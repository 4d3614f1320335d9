"""The files that a result is written to: their names, how each is read, and what replaces what."""

import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from errseg.errors import InputError

OVERLAY_FILE, MASK_FILE, RESULT_FILE = "overlay.png", "mask.png", "result.json"
FIGURE_FILE, PDF_FILE = "figure.png", "figure.pdf"
COCO_FILE = "coco.json"
PAGE_FILE = "result.html"
INDEX_FILE = "index.png"
BYTE = 8  # bits
MASKS_FOLDER, CUTOUTS_FOLDER = "masks", "cutouts"
PACKED = ".zip"  # a folder's files in one

HOW_TO_READ = {
    OVERLAY_FILE: "The photo with each class in its colour, to look at.",
    MASK_FILE: "A palette picture (PNG, mode P) whose indices are classes, as 'mask' says. What "
    f"opens it as grey or RGB sees the classes' colours instead; {INDEX_FILE} has no colours.",
    INDEX_FILE: "A grey picture whose values are classes, as 'index' says.",
    RESULT_FILE: "JSON in UTF-8: what was found, and with which settings.",
    FIGURE_FILE: "Photo, masks, CRM scores and attention, to look at.",
    PDF_FILE: f"The same as {FIGURE_FILE}, for print.",
    COCO_FILE: "A COCO file: an annotation a class, category_id = index + 1, masks in COCO's "
    "compressed run lengths (down the columns).",
    PAGE_FILE: "A page for any browser, without a network: point at the photo to read a pixel.",
    MASKS_FOLDER: "A picture for every class that is present, INDEX_NAME.png: 255 where it is, 0 "
    "elsewhere.",
    CUTOUTS_FOLDER: "The photo where a class is, INDEX_NAME.png: RGBA, as large as the box around "
    "the class.",
    f"{MASKS_FOLDER}{PACKED}": f"The folder {MASKS_FOLDER}: a picture for every class that is "
    "present, INDEX_NAME.png: 255 where it is, 0 elsewhere.",
    f"{CUTOUTS_FOLDER}{PACKED}": f"The folder {CUTOUTS_FOLDER}: the photo where a class is, "
    "INDEX_NAME.png: RGBA, as large as the box around the class.",
}
"""File or folder of a result -> what it holds."""
FORMATS = {
    "coco": "a COCO file",
    "masks": "a black-and-white picture a class",
    "cutouts": "a transparent picture a class",
    "index": "a grey picture of class numbers",
    "html": "a page of its own, for any browser",
    "figure": "photo, masks, CRM and attention as PNG",
    "pdf": "the figure as PDF",
}
"""What can be saved of a result beside overlay, palette mask and JSON -> what that is."""
OF_ATTENTION = frozenset({"html", "figure", "pdf"})
"""Those of `FORMATS` that show attention too."""
_LONGEST_QUOTED = 40  # characters of what somebody wanted
_PICTURE_OF_A_CLASS = re.compile(rf"({MASKS_FOLDER}|{CUTOUTS_FOLDER})/\d+(_[^/\\]+)?\.png")


def check_formats(wanted: object, where: str) -> tuple[str, ...]:
    """Check names of `FORMATS`; `where` they were given begins the sentence about others.

    Raises:
        InputError: they are no list, or there is no such format.
    """
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise InputError(f"{where} needs a list of formats, of {', '.join(FORMATS)}.")
    wanted = tuple(wanted)
    if unknown := [str(name)[:_LONGEST_QUOTED] for name in wanted if name not in (*FORMATS,)]:
        raise InputError(
            f"{where} can't write {', '.join(unknown[:3])}; it can write {', '.join(FORMATS)}."
        )
    return tuple(dict.fromkeys(wanted))


def index_format(classes: int) -> tuple[int, int]:
    """Tell the bits of an `INDEX_FILE` of so many classes, and the value that stands for none."""
    bits = BYTE if classes < 2**BYTE else 2 * BYTE
    return bits, 2**bits - 1


def pack_folders(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Put the files of each folder below one into a ZIP beside it; unpacked there they are again.

    Args:
        paths: of files in the folder and in folders below.
        folder: of them all.

    Returns:
        the files, in their order, and for each folder its ZIP (``masks.zip``) in place of its
        files.
    """
    packed: dict[Path, None] = {}
    for path in paths:
        name = path.relative_to(folder)
        archive = folder / f"{name.parts[0]}{PACKED}"
        if len(name.parts) == 1:
            packed[path] = None
            continue
        mode = "a" if archive in packed else "w"
        with zipfile.ZipFile(archive, mode) as file:  # PNGs are compressed already
            file.write(path, name)
        packed[archive] = None
    return [*packed]


def write_json(described: dict, folder: Path, written: Iterable[Path]) -> Path:
    """Write a described result to `RESULT_FILE` with what else there is of it, and how to read it.

    Files of an earlier result that this one has no like of are removed, so that masks of other
    words don't stand beside it: those that its `RESULT_FILE` lists and that have a result's names.

    Args:
        described: from `errseg.pictures.export.as_dict`.
        folder: of the result.
        written: the files of this result that are there, in the folder or one below.

    Raises:
        OSError: the folder can't be written to.
    """
    path = folder / RESULT_FILE
    names = [file.relative_to(folder).as_posix() for file in written]
    for name in _listed(path) - {*names, RESULT_FILE}:
        (folder / name).unlink(missing_ok=True)
    parts = dict.fromkeys(name.split("/")[0] for name in (*names, RESULT_FILE))
    content = {**described, "files": names, "how_to_read": {p: HOW_TO_READ[p] for p in parts}}
    if INDEX_FILE in names:
        bits, none = index_format(len(described["classes"]))
        content["index"] = {"file": INDEX_FILE, "bits": bits, "none_value": none}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _listed(path: Path) -> set[str]:
    """Read which files an earlier result says to have; only names that a result's files have."""
    try:
        names = map(str, json.loads(path.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one of ours
        return set()
    ours = HOW_TO_READ.keys() - {MASKS_FOLDER, CUTOUTS_FOLDER}
    return {name for name in names if name in ours or _PICTURE_OF_A_CLASS.fullmatch(name)}

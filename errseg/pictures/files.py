"""The files that a result is written to: their names, how each is read, and what replaces what."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

OVERLAY_FILE, MASK_FILE, RESULT_FILE = "overlay.png", "mask.png", "result.json"
FIGURE_FILE, PDF_FILE = "figure.png", "figure.pdf"
COCO_FILE = "coco.json"
PAGE_FILE = "result.html"
MASKS_FOLDER, CUTOUTS_FOLDER = "masks", "cutouts"

HOW_TO_READ = {
    OVERLAY_FILE: "The photo with each class in its colour, to look at.",
    MASK_FILE: "A palette picture whose indices are classes, as 'mask' says.",
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
}
"""File or folder of a result -> what it holds."""
_PICTURE_OF_A_CLASS = re.compile(rf"({MASKS_FOLDER}|{CUTOUTS_FOLDER})/\d+(_[^/\\]+)?\.png")


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

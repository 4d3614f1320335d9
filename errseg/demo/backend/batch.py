"""Several photos, one vocabulary: a ZIP with a folder a photo, and two files on all of them."""

import dataclasses
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from errseg.demo.backend.places import GoneError
from errseg.demo.backend.refusals import sentence_for
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.errors import InputError
from errseg.pictures.coco import coco_photo, write_coco
from errseg.pictures.export import write_result
from errseg.pictures.files import COCO_FILE
from errseg.pictures.sheet import QUALITY, lay_out, sheet_pair

MOST_PHOTOS = 50
OUTCOMES_FILE = "outcomes.txt"
SHEET_FILE, SHEET_COLUMNS = "contact_sheet.jpg", 2
UNREADABLE = "Something went wrong with this photo."


def run_batch(
    service: Service,
    photos: Sequence[str],
    request: Request,
    folder: Path,
    progress: Callable[[Sequence], Iterator] = iter,
) -> tuple[Path | None, list[tuple[str, str]]]:
    """Segment photos one after the other; one that can't be read doesn't stop the others.

    The request's own photo doesn't count; the folder is for the ZIP and what goes into it;
    ``progress`` wraps the photos, to tell how far it is.

    Returns:
        the ZIP, or None if no photo could be segmented; and what became of each photo. Besides the
        photos' folders the ZIP has `OUTCOMES_FILE`, and of all that could be segmented a
        `COCO_FILE` and a `SHEET_FILE`.

    Raises:
        InputError: there is no photo, there are too many, or they cost too much together.
        GoneError: nobody waits for the ZIP any more.
    """
    if not photos:
        raise InputError("There are no photos yet; drop some files.")
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"There are {len(photos)} photos; at most {MOST_PHOTOS} at once.")
    service.check_all([request] * len(photos), same_photo=False, what="photos")
    outcomes, results = [], folder / "results"
    made = []  # of each photo: its part of the COCO file, and of the sheet
    for number, photo in enumerate(progress(photos), start=1):
        name = Path(photo).name
        try:
            answer = service.answer(dataclasses.replace(request, photo=photo))
            write_result(answer.result, answer.photo, results / folder_name(number, name))
            described = coco_photo(answer.result, _told_apart(name, number, outcomes))
            made.append((described, sheet_pair(answer.photo, answer.result)))
            seen = ", ".join(entry.name for entry in answer.legend) or "none of the classes"
            outcomes.append((name, seen))
        except GoneError:  # nobody waits for the other photos either
            raise
        except Exception as error:
            outcomes.append((name, sentence_for(error, UNREADABLE)))
    if not made:
        return None, outcomes
    described, drawn = zip(*made, strict=True)
    write_coco(results / COCO_FILE, request.vocabulary.names, described)
    lay_out(drawn, min(len(drawn), SHEET_COLUMNS)).save(results / SHEET_FILE, quality=QUALITY)
    lines = [f"{name}: {outcome}" for name, outcome in outcomes]
    (results / OUTCOMES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    packed = folder / "errseg.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(results.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(results))
    return packed, outcomes


def folder_name(number: int, name: str) -> str:
    """A folder's name for a photo: safe wherever it is unpacked, different for each photo."""
    return f"{number:02d}_" + (re.sub(r"[^\w-]", "_", Path(name).stem)[:60] or "photo")


def _told_apart(name: str, number: int, before: Sequence[tuple[str, str]]) -> str:
    """Return a photo's name, with its number if another one had the same: they tell photos."""
    return f"{number:02d}_{name}" if name in (other for other, _ in before) else name

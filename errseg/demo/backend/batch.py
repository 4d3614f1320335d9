"""Several photos, one vocabulary: a ZIP with a folder a photo, and two files on all of them."""

import dataclasses
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from errseg.demo.backend.answers import Answer
from errseg.demo.backend.budget import Price
from errseg.demo.backend.places import GoneError
from errseg.demo.backend.price import Prices
from errseg.demo.backend.refusals import of_disk, sentence_for
from errseg.demo.backend.request import Request
from errseg.demo.backend.saved import (
    attention_for,
    check_can_save,
    mask_price,
    price_beside,
    price_of,
    save,
)
from errseg.demo.backend.service import Service
from errseg.demo.backend.view import LONGEST_SHOWN
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.pictures.coco import coco_photo, write_coco
from errseg.pictures.export import write_result
from errseg.pictures.files import COCO_FILE
from errseg.pictures.overlay import LegendEntry
from errseg.pictures.sheet import QUALITY, lay_out, sheet_pair

MOST_PHOTOS = 50
OUTCOMES_FILE = "outcomes.txt"
SHEET_FILE, SHEET_COLUMNS = "contact_sheet.jpg", 2
UNREADABLE = "Something went wrong with this photo."


@dataclass(frozen=True)
class Outcome:
    """What became of one photo."""

    name: str
    sentence: str  # names what was found, or says why the photo could not be segmented
    legend: tuple[LegendEntry, ...] = ()
    thumbnail: Path | None = None  # the masks over the photo, as large as on a contact sheet
    picture: Path | None = None  # the same, as large as the page shows pictures


@dataclass(frozen=True)
class Batch:
    """What became of the photos so far."""

    outcomes: tuple[Outcome, ...]  # in the photos' order
    packed: Path | None = None  # the ZIP, once all are done and one could be segmented


def run_batch(
    service: Service,
    photos: Sequence[str],
    request: Request,
    folder: Path,
    wanted: Collection[str] = (),
) -> Iterator[Batch]:
    """Segment photos one after the other; one that can't be read doesn't stop the others.

    Large ones are looked at closer only where the question says in how many tiles; a place that it
    looks closer at is one photo's.

    The request's own photo doesn't count; the folder is for the ZIP and what goes into it, and for
    pictures to show; ``wanted`` are names of `FORMATS`.

    Yields:
        what became of the photos, after each and at last with the ZIP. Besides the photos' folders
        it has `OUTCOMES_FILE`, and of all that could be segmented a `COCO_FILE` and a `SHEET_FILE`.

    Raises:
        InputError: there is no photo, there are too many, or they cost too much together.
        GoneError: nobody waits for the ZIP any more.
        OSError: the disk is full or can't be used.
    """
    if not photos:
        raise InputError("There are no photos yet; drop some files.")
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"There are {len(photos)} photos; at most {MOST_PHOTOS} at once.")
    check_can_save(request, wanted)
    if request.options.tiles == AUTOMATIC:  # so that as many fit, whatever their size
        request = request.changed(tiles=1)
    request = request.changed(closer_at=None)

    def beside(prices: Prices, size: tuple[int, int]) -> Price:
        return price_beside(wanted, prices, request, size)

    asked = [request] * len(photos)
    service.settle_all(asked, same_photo=False, what="photos", beside=beside if wanted else None)
    outcomes, results = [], folder / "results"
    made = []  # of each photo: its part of the COCO file, and of the sheet
    for number, photo in enumerate(photos, start=1):
        name = Path(photo).name
        asked = dataclasses.replace(request, photo=photo)
        try:
            answer = service.answer(asked)
            save_answer(service, asked, answer, wanted, results / folder_name(number, name))
            pair = sheet_pair(answer.photo, answer.result)
            named = _told_apart(name, number, [outcome.name for outcome in outcomes])
            made.append((coco_photo(answer.result, named), pair))
            outcomes.append(_shown(name, answer, pair[1], folder, number))
        except GoneError:  # nobody waits for the other photos either
            raise
        except Exception as error:
            if of_disk(error):  # the other photos' results can't be written either
                raise
            outcomes.append(Outcome(name, sentence_for(error, UNREADABLE)))
        yield Batch(tuple(outcomes))
    if not made:
        return
    described, drawn = zip(*made, strict=True)
    write_coco(results / COCO_FILE, request.vocabulary.names, described)
    lay_out(drawn, min(len(drawn), SHEET_COLUMNS)).save(results / SHEET_FILE, quality=QUALITY)
    lines = [f"{outcome.name}: {outcome.sentence}" for outcome in outcomes]
    (results / OUTCOMES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    packed = folder / "errseg.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(results.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(results))
    yield Batch(tuple(outcomes), packed)


def save_answer(
    service: Service, request: Request, answer: Answer, wanted: Collection[str], folder: Path
) -> None:
    """Write an answer's overlay, mask, JSON, and what is wanted beside them, to a new folder."""
    folder.mkdir(parents=True)
    attention = attention_for(service, request, answer, wanted)

    def write() -> None:
        named = service.models.named(request)
        others = save(wanted, answer, attention, folder, named)
        write_result(answer.result, answer.photo, folder, others=others)

    if wanted or answer.is_shrunk:  # a mask of the photo's own size may be twenty times as large
        size = answer.result.mask_size
        price = mask_price(size) + price_of(wanted, size, len(answer.legend))
        service.draw(request, price, write)
    else:
        write()


def _shown(name: str, answer: Answer, thumbnail: Image.Image, folder: Path, number: int) -> Outcome:
    """Write what the page shows of an answer: a small picture and a larger one."""
    paths = [folder / f"{number:02d}_{size}.jpg" for size in ("small", "large")]
    thumbnail.save(paths[0], quality=QUALITY)
    shown = ImageOps.contain(answer.overlay, (LONGEST_SHOWN, LONGEST_SHOWN))
    (shown if max(answer.overlay.size) > LONGEST_SHOWN else answer.overlay).save(
        paths[1], quality=QUALITY
    )
    seen = ", ".join(entry.name for entry in answer.legend) or "none of the classes"
    return Outcome(name, seen, tuple(answer.legend), *paths)


def folder_name(number: int, name: str) -> str:
    """A folder's name for a photo: safe wherever it is unpacked, different for each photo."""
    return f"{number:02d}_" + (re.sub(r"[^\w-]", "_", Path(name).stem)[:60] or "photo")


def _told_apart(name: str, number: int, before: Sequence[str]) -> str:
    """Return a photo's name, with its number if another one had the same: they tell photos."""
    return f"{number:02d}_{name}" if name in before else name

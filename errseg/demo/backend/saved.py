"""An answer's files, those of `FORMATS` that somebody wants: for the command line and the page."""

import functools
from collections.abc import Collection
from pathlib import Path

from errseg.demo.backend.answers import Answer, AttentionAnswer, kept_classes, query_pixel
from errseg.demo.backend.attended import check_attended
from errseg.demo.backend.budget import Price
from errseg.demo.backend.links import attention_heats, command, shell_name
from errseg.demo.backend.live_attention import AT_FIRST
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.demo.backend.standalone import write_page
from errseg.pictures.coco import coco_photo, write_coco
from errseg.pictures.export import as_dict
from errseg.pictures.figure import write_figure
from errseg.pictures.files import (
    COCO_FILE,
    FIGURE_FILE,
    MASK_FILE,
    OF_ATTENTION,
    OVERLAY_FILE,
    PAGE_FILE,
    PDF_FILE,
    pack_folders,
    write_json,
)
from errseg.pictures.masks import write_cutouts, write_index, write_masks

FIGURES = {"figure": FIGURE_FILE, "pdf": PDF_FILE}
SECONDS = {"figure": 4.5, "pdf": 4.0, "html": 0.2}
"""Of a format, on one core, for a photo of 2048 x 1366 pixels."""
PIXEL_SECONDS = {"masks": 1e-8, "cutouts": 3e-8}
"""Of a format, of a pixel of the photo and a class that is present."""
MASK_SECONDS, MASK_BYTES = 1.5e-8, 2
"""Of a pixel of the photo's own size: a mask of it, made and written as PNG. Measured from 3 to 64
megapixels: 8 to 15 nanoseconds, 33 where labels are noise, and a byte beside what Pillow writes."""
PRESENT = 12
"""Classes that are present in an ordinary photo, where that isn't known yet: 10.2 at most in the
paper's Table I."""


def save(
    wanted: Collection[str],
    answer: Answer,
    attention: AttentionAnswer | None,
    folder: Path,
    request: Request,
) -> list[Path]:
    """Write files of an answer to a folder and return their paths.

    Args:
        wanted: names of `FORMATS`.
        answer: what was found.
        attention: of the same question; None where none of `OF_ATTENTION` is wanted.
        folder: where to; it is there already.
        request: the question, to a named model; files tell its words, settings and the photo's
            name, never where it lies.
    """
    name, written = Path(request.photo).name, []
    if "coco" in wanted:
        written.append(folder / COCO_FILE)
        write_coco(written[0], answer.result.classes, [coco_photo(answer.result, name)])
    if "masks" in wanted:
        written += write_masks(answer.result, folder)
    if "cutouts" in wanted:
        written += write_cutouts(answer.result, answer.photo, folder)
    if "index" in wanted:
        written.append(write_index(answer.result, folder))
    if "html" in wanted:
        written.append(folder / PAGE_FILE)
        told = request.changed(threshold=answer.result.settings.threshold)
        write_page(written[-1], answer, attention, command(told, shell_name(name)))
    if figures := [folder / file for kind, file in FIGURES.items() if kind in wanted]:
        heats = attention_heats(attention)
        write_figure(figures, answer.photo, answer.result, answer.colors, heats, attention.pixel)
    return written + figures


def save_to_take_away(
    wanted: Collection[str],
    answer: Answer,
    attention: AttentionAnswer | None,
    folder: Path,
    request: Request,
) -> list[Path]:
    """Write overlay, palette mask, what `save` writes, and JSON that says what it all is.

    Folders are packed: a file of each, as the page and its endpoints can hand it over. The JSON has
    the masks as run lengths. Arguments are those of `save`.
    """
    overlay, mask = folder / OVERLAY_FILE, folder / MASK_FILE
    answer.overlay.save(overlay)
    answer.mask.save(mask)
    saved = pack_folders(save(wanted, answer, attention, folder, request), folder)
    written = [overlay, mask, *saved]
    described = as_dict(answer.result, answer.colors, masks=True)
    if attention is not None:
        described["attention_query"] = list(answer.own_pixel(attention.pixel))
        described["attention_share_on_present"] = attention.share
    return [*written, write_json(described, folder, written)]


def take_away(
    service: Service,
    request: Request,
    wanted: Collection[str],
    folder: Path,
    pixel: tuple[int, int] | None = None,
) -> list[Path]:
    """Answer a question and write its files with `save_to_take_away`, each step in its turn.

    Args:
        service: which answers.
        request: the question.
        wanted: names of `FORMATS`.
        folder: where to; it is there already.
        pixel: (x, y) whose attention is shown; where the largest class is surest, if None.

    Raises:
        InputError: as `Service.answer`, or attention is to be shown and can't be.
        GoneError: nobody waits for the files any more.
    """
    check_can_save(request, wanted)
    answer = service.answer(request, functools.partial(_attention_price, wanted))
    request = answer.request
    attention = attention_for(service, request, answer, wanted, pixel)
    named, size = service.models.named(request), answer.result.mask_size
    return service.draw(
        request,
        mask_price(size) + price_of(wanted, size, len(answer.legend)),
        lambda: save_to_take_away(wanted, answer, attention, folder, named),
    )


def price_of(wanted: Collection[str], size: tuple[int, int], classes: int) -> Price:
    """Tell what `save` costs of a photo (H, W) in which some classes are present."""
    pixels = classes * size[0] * size[1]
    seconds = sum(SECONDS.get(kind, 0.0) + PIXEL_SECONDS.get(kind, 0.0) * pixels for kind in wanted)
    return Price(seconds) + (mask_price(size) if "index" in wanted else Price())


def mask_price(size: tuple[int, int]) -> Price:
    """Tell what one mask of a photo's own size (H, W) costs, drawn and written."""
    pixels = size[0] * size[1]
    return Price(MASK_SECONDS * pixels, MASK_BYTES * pixels)


def price_beside(
    wanted: Collection[str], prices: Prices, request: Request, size: tuple[int, int]
) -> Price:
    """Tell what files cost beside the answer of a photo (H, W): attention, and `price_of`."""
    present = min(request.options.kept_classes, len(request.vocabulary), PRESENT)
    price = price_of(wanted, size, present)
    return price + _attention_price(wanted, prices, request, size)


def _attention_price(
    wanted: Collection[str], prices: Prices, request: Request, size: tuple[int, int]
) -> Price:
    """Tell what the attention costs that some formats of a photo (H, W) show, if any does."""
    if not needs_attention(wanted):
        return Price()
    most = prices.live_classes(request, size, AT_FIRST) if "html" in wanted else 0
    return prices.attention(request, size, without_crm=False, everywhere=most)


def attention_for(
    service: Service,
    request: Request,
    answer: Answer,
    wanted: Collection[str],
    pixel: tuple[int, int] | None = None,
) -> AttentionAnswer | None:
    """Ask for the attention that some formats show, if any does.

    It is that of a pixel (x, y), where the largest class is surest if None. In the HTML page it is
    live: of as many kept classes as fit.
    """
    if not needs_attention(wanted):
        return None
    live = kept_classes(answer) if "html" in wanted else ()
    return service.attention(request, pixel or query_pixel(answer), everywhere=live)


def needs_attention(wanted: Collection[str]) -> bool:
    """Tell whether some of the formats show attention too."""
    return not OF_ATTENTION.isdisjoint(wanted)


def check_can_save(request: Request, wanted: Collection[str]) -> None:
    """Refuse formats that show attention of a question whose attention can't be shown.

    Raises:
        InputError: CRM keeps too many classes.
    """
    if needs_attention(wanted):
        check_attended(request, "lower P, or do without the figure and the HTML file")

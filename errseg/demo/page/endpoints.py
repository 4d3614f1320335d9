"""The named endpoints for programs; the page's own events are private."""

import dataclasses
import functools
import inspect
import tempfile
from pathlib import Path

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.answers import AttentionAnswer
from errseg.demo.backend.request import Request, check_request
from errseg.demo.backend.saved import mask_price, take_away
from errseg.demo.backend.service import Service
from errseg.demo.backend.suggest import suggest as find
from errseg.demo.backend.sweep import P, check_values, overlays, run_sweep
from errseg.demo.backend.sweep import as_dict as step_as_dict
from errseg.demo.page.events import (
    AS_SENT,
    IN_TURN,
    NOT_SENT,
    drawn,
    for_programs,
    served,
    uploaded,
)
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.options import Options
from errseg.pictures.export import as_dict
from errseg.pictures.files import check_formats
from errseg.words.union import SUGGESTED

SAVED = "coco, html, figure"  # formats of files where none are named
SWEPT = "1, 2, 4, 8, 16, 32"  # values of a sweep that names none


def add_endpoints(service: Service) -> None:
    """Add the endpoints to the page. Their inputs are no part of what a visitor sees."""

    def segment(image, classes, kept_classes, votes_per_pixel, threshold, tiles, closer_at):
        """Segment a photo with any words.

        Args:
            image: a photo file (JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF); its EXIF orientation
                counts.
            classes: names, parted by commas, semicolons or new lines; bars part synonyms of one
                class: "dog, sofa | couch, sky". At most 1,000.
            kept_classes: P, how many classes CRM keeps for this photo.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            threshold: 0 to 1; pixels whose best score is lower get no class. The model's own by
                default.
            tiles: 2 or 3 looks closer, in 2 x 2 or 3 x 3 tiles, for small things in a large photo;
                1 doesn't; "auto" does so by the photo's size, unless that costs too much here.
            closer_at: "x,y", a place in parts of the photo's width and height such as "0.5,0.25":
                looks closer there, in a tile beside the whole.

        Returns:
            overlay: PNG, the photo with each class in its colour and under its name.
            mask: palette PNG of the photo's own size, a pixel's index is its class in `classes`,
                255 is none.
            result: classes (index, name, color, area, mean_score, kept, crm_score, crm_rank,
                votes), none_area, mask, settings, notices and timings in seconds.
        """
        request = _request(
            image, classes, kept_classes, votes_per_pixel, threshold, tiles, closer_at
        )
        answer = service.answer(request)

        def pictures() -> tuple[str, str]:
            return drawn(answer.overlay), drawn(answer.mask)

        if answer.is_shrunk:  # its mask has the photo's own size, and a price
            made = service.draw(request, mask_price(answer.result.mask_size), pictures)
        else:
            made = pictures()
        return *made, as_dict(answer.result, answer.colors)

    def attention(
        image, classes, x, y, kept_classes, votes_per_pixel, without_crm, tiles, closer_at
    ):
        """Ask what ESCF attends to from one pixel, among the classes that CRM kept for the masks.

        Args:
            image: a photo file, see /segment.
            classes: see /segment.
            x: column of the query pixel in the photo at its own size, from 0.
            y: row of the query pixel, likewise.
            kept_classes: P, how many classes CRM keeps for this photo, up to 100 here.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            without_crm: also run with P = T, for up to 171 classes.
            tiles: see /segment; attention is that of the whole photo, among the classes kept so.
            closer_at: see /segment.

        Returns:
            attention: size [H, W]; pixel; classes (T names); kept and present (indices); best (the
                class that wins the pixel); spatial, SFM's maps (layers, P, heads, h, w); class,
                CFM's at the pixel (layers, heads, P, P); cost16 and cost32 (P, h, w), each as
                {shape, range, data}: base64 of little-endian 16-bit integers that stand for
                least + integer / 65535 * (most - least) of its range; share, the
                mean class attention on the present classes (Proposition 1), and
                share_without_crm, or null; notices, what was changed.
        """
        looks = {"tiles": tiles, "closer_at": closer_at}
        request = _request(image, classes, kept_classes, votes_per_pixel, **looks)
        pixel = (_whole("The query's x", x), _whole("The query's y", y))
        shrunk, size = service.shrunk_pixel(request, pixel)
        answer = service.attention(request, shrunk, without_crm is True)
        return {**_attention_as_dict(answer), "size": list(size), "pixel": list(pixel)}

    def sweep(
        image, classes, over, values, kept_classes, votes_per_pixel, threshold, tiles, closer_at
    ):
        """Segment a photo with several values of P or K.

        Args:
            image: a photo file, see /segment.
            classes: see /segment.
            over: "P" or "K".
            values: up to 12 whole numbers, "1, 2, 4, 8"; P stops at the number of classes.
            kept_classes: P where K is swept.
            votes_per_pixel: K where P is swept.
            threshold: 0 to 1; pixels whose best score is lower get no class. The model's own by
                default.
            tiles: 2 or 3 looks closer, in 2 x 2 or 3 x 3 tiles, for small things in a large photo;
                1 doesn't; "auto" does so by the photo's size, unless that costs too much here.
            closer_at: "x,y", a place in parts of the photo's width and height such as "0.5,0.25":
                looks closer there, in a tile beside the whole.

        Returns:
            overlays: one picture a value.
            steps: value, kept, changed (share of the pixels that differ from the value before),
                seconds, notices and areas by class, for each value in ascending order.
        """
        request = _request(
            image, classes, kept_classes, votes_per_pixel, threshold, tiles, closer_at
        )
        knob, numbers = check_values(over, values, len(request.vocabulary))
        steps = list(run_sweep(service, request, knob, numbers))
        captions = [f"{knob} = {step.value}" for step in steps]
        pictures = list(zip(map(drawn, overlays(steps)), captions, strict=True))
        return pictures, [step_as_dict(step) for step in steps]

    def suggest(image, count):
        """Suggest words for a photo: what CRM finds most of among a thousand everyday names.

        Args:
            image: a photo file, see /segment.
            count: how many words, 1 to 100.

        Returns:
            words: name, synonyms (all its names) and score (stride-16 pixels that vote for it,
                weighted by rank) of each, the best first.
        """
        suggested = find(service, uploaded(image), _whole("The number of words", count))
        return [dataclasses.asdict(suggestion) for suggestion in suggested]

    def files(image, classes, save, kept_classes, votes_per_pixel, threshold, tiles, closer_at):
        """Segment a photo and take the result away as files, as "Share this result" makes them.

        Args:
            image: a photo file, see /segment.
            classes: see /segment.
            save: files beside overlay.png, mask.png and result.json, parted by commas: coco,
                masks, cutouts, index, html, figure, pdf, as `segment --save` has them.
            kept_classes: P, how many classes CRM keeps for this photo, up to 100 for html, figure
                and pdf, which show attention.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            threshold: 0 to 1; pixels whose best score is lower get no class. The model's own by
                default.
            tiles: see /segment.
            closer_at: see /segment.

        Returns:
            files: overlay.png, mask.png, and of those wanted coco.json, masks.zip and cutouts.zip
                (a PNG a class), index.png, result.html, figure.png and figure.pdf; result.json says
                what each holds and has the masks as run lengths.
        """
        request = _request(
            image, classes, kept_classes, votes_per_pixel, threshold, tiles, closer_at
        )
        wanted = save if isinstance(save, list) else str(save or "").split(",")
        named = (str(name).strip() for name in wanted)
        wanted = check_formats((name for name in named if name), "/files")
        with tempfile.TemporaryDirectory() as folder:
            return [served(path) for path in take_away(service, request, wanted, Path(folder))]

    png = functools.partial(gr.Image, format="png")
    for endpoint, outputs in (
        (
            segment,
            {"overlay": png, "mask": functools.partial(png, image_mode=None), "result": gr.JSON},
        ),
        (attention, {"attention": gr.JSON}),
        (sweep, {"overlays": functools.partial(gr.Gallery, format="png"), "steps": gr.JSON}),
        (suggest, {"words": gr.JSON}),
        (files, {"files": functools.partial(gr.File, file_count="multiple")}),
    ):
        gr.Button(visible=False).click(
            for_programs(endpoint),
            [_input(name, service) for name in inspect.signature(endpoint).parameters],
            [kind(label=name, visible=False) for name, kind in outputs.items()],
            api_name=endpoint.__name__,
            **AS_SENT,
            **IN_TURN,
        )


def _request(
    image,
    classes,
    kept_classes,
    votes_per_pixel,
    threshold=None,
    tiles=AUTOMATIC,
    closer_at="",
) -> Request:
    """Check a program's question."""
    options = {"kept_classes": kept_classes, "votes_per_pixel": votes_per_pixel}
    options |= {"tiles": tiles, "closer_at": closer_at}
    if (photo := uploaded(image)) is None:
        raise InputError(NOT_SENT)
    return check_request(photo, classes, **options, threshold=threshold)


def _input(name: str, service: Service) -> gr.components.Component:
    """Make the input of an endpoint's parameter; its type and its default are documented."""
    numbers = {"x": None, "y": None, "count": SUGGESTED, **vars(Options())}
    numbers["threshold"] = service.models.threshold()
    hidden = {"label": name, "visible": False}
    if name == "image":
        return gr.Image(type="filepath", **hidden)
    if name == "without_crm":
        return gr.Checkbox(False, **hidden)
    texts = {"over": P, "values": SWEPT, "save": SAVED, "tiles": AUTOMATIC, "closer_at": ""}
    if name in numbers and name not in texts:
        return gr.Number(numbers[name], **hidden)
    return gr.Textbox(texts.get(name), **hidden)


def _attention_as_dict(answer: AttentionAnswer) -> dict:
    """Describe an answer, but for its pixel and size."""
    maps = {
        "spatial": answer.attention.spatial.numpy(),
        "class": answer.attention.classes.numpy(),
        "cost16": answer.costs.stride16,
        "cost32": answer.costs.stride32,
    }
    return {
        "classes": list(answer.classes),
        "kept": list(answer.kept),
        "present": list(answer.present),
        "best": answer.best,
        **{name: view.packed(values) for name, values in maps.items()},
        "share": answer.share,
        "share_without_crm": answer.share_without_crm,
        "notices": list(answer.notices),
    }


def _whole(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise InputError(f"{name} is a whole number, not {str(value)[:20]}.")

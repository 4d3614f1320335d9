"""The named endpoints for programs; the page's own events are private."""

from __future__ import annotations

import gradio as gr

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.demo.backend.service import AttentionAnswer, Service
from errseg.demo.backend.sweep import as_dict as step_as_dict
from errseg.demo.backend.sweep import check_values
from errseg.demo.backend.sweep import sweep as run_sweep
from errseg.demo.page.events import AS_SENT, ONE_AT_A_TIME, checked, for_programs
from errseg.errors import InputError
from errseg.pictures.export import as_dict

DECIMALS = 5
HIDDEN = {"visible": False}


def add_endpoints(service: Service) -> None:
    """Add the endpoints to the page. Their inputs are no part of what a visitor sees."""
    _add_segment(service)
    _add_attention(service)
    _add_sweep(service)


def _add_segment(service: Service) -> None:
    @for_programs
    def segment(image, classes, kept_classes, votes_per_pixel, threshold):
        """Segment a photo with any words.

        Args:
            image: a photo file (JPEG, PNG, WebP, GIF, BMP or TIFF); its EXIF orientation counts.
            classes: names, parted by commas, semicolons or new lines; bars part synonyms of one
                class: "dog, sofa | couch, sky". At most 1,000.
            kept_classes: P, how many classes CRM keeps for this photo.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            threshold: 0 to 1; pixels whose best score is lower get no class. The model's own by
                default.

        Returns:
            overlay: PNG, the photo with each class in its colour and under its name.
            mask: palette PNG, a pixel's index is its class in `classes`, 255 is none.
            result: classes (index, name, color, area, mean_score, kept, crm_score, crm_rank,
                votes), none_area, mask, settings, notices and timings in seconds.
        """
        answer = service.answer(checked(image, classes, kept_classes, votes_per_pixel, threshold))
        return answer.overlay, answer.mask, as_dict(answer.result, answer.colors)

    gr.Button(**HIDDEN).click(
        segment,
        [
            gr.Image(type="filepath", label="image", **HIDDEN),
            gr.Textbox(label="classes", **HIDDEN),
            gr.Number(KEPT_CLASSES, label="kept_classes", **HIDDEN),
            gr.Number(VOTES_PER_PIXEL, label="votes_per_pixel", **HIDDEN),
            gr.Number(service.models.threshold(), label="threshold", **HIDDEN),
        ],
        [
            gr.Image(label="overlay", format="png", **HIDDEN),
            gr.Image(label="mask", format="png", image_mode=None, **HIDDEN),
            gr.JSON(label="result", **HIDDEN),
        ],
        api_name="segment",
        **AS_SENT,
        **ONE_AT_A_TIME,
    )


def _add_attention(service: Service) -> None:
    @for_programs
    def attention(image, classes, x, y, kept_classes, votes_per_pixel, without_crm):
        """Ask what ESCF attends to from one pixel, in the pass that makes the masks.

        Args:
            image: a photo file, see /segment.
            classes: see /segment.
            x: column of the query pixel, from 0.
            y: row of the query pixel, from 0.
            kept_classes: P, how many classes CRM keeps for this photo.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            without_crm: also run with P = T, for up to 171 classes.

        Returns:
            attention: size [H, W]; pixel; classes (T names); kept and present (indices); best (the
                class that wins the pixel); spatial, SFM's maps (layers, P, heads, h, w); class,
                CFM's at the pixel (layers, heads, P, P); cost16 and cost32 (P, h, w); share, the
                mean class attention on the present classes (Proposition 1), and
                share_without_crm, or null.
        """
        request = checked(image, classes, kept_classes, votes_per_pixel)
        pixel = (_whole("x", x), _whole("y", y))
        return _attention_as_dict(service.attention(request, pixel, without_crm is True))

    gr.Button(**HIDDEN).click(
        attention,
        [
            gr.Image(type="filepath", label="image", **HIDDEN),
            gr.Textbox(label="classes", **HIDDEN),
            gr.Number(label="x", **HIDDEN),
            gr.Number(label="y", **HIDDEN),
            gr.Number(KEPT_CLASSES, label="kept_classes", **HIDDEN),
            gr.Number(VOTES_PER_PIXEL, label="votes_per_pixel", **HIDDEN),
            gr.Checkbox(False, label="without_crm", **HIDDEN),
        ],
        gr.JSON(label="attention", **HIDDEN),
        api_name="attention",
        **AS_SENT,
        **ONE_AT_A_TIME,
    )


def _add_sweep(service: Service) -> None:
    @for_programs
    def sweep(image, classes, over, values, kept_classes, votes_per_pixel, threshold):
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

        Returns:
            overlays: one picture a value.
            steps: value, kept, changed (share of the pixels that differ from the value before),
                seconds and areas by class, for each value in ascending order.
        """
        request = checked(image, classes, kept_classes, votes_per_pixel, threshold)
        knob, numbers = check_values(over, values, len(request.vocabulary))
        steps = list(run_sweep(service, request, knob, numbers))
        pictures = [(step.answer.overlay, f"{knob} = {step.value}") for step in steps]
        return pictures, [step_as_dict(step) for step in steps]

    gr.Button(**HIDDEN).click(
        sweep,
        [
            gr.Image(type="filepath", label="image", **HIDDEN),
            gr.Textbox(label="classes", **HIDDEN),
            gr.Textbox("P", label="over", **HIDDEN),
            gr.Textbox("1, 2, 4, 8, 16, 32", label="values", **HIDDEN),
            gr.Number(KEPT_CLASSES, label="kept_classes", **HIDDEN),
            gr.Number(VOTES_PER_PIXEL, label="votes_per_pixel", **HIDDEN),
            gr.Number(service.models.threshold(), label="threshold", **HIDDEN),
        ],
        [gr.Gallery(label="overlays", format="png", **HIDDEN), gr.JSON(label="steps", **HIDDEN)],
        api_name="sweep",
        **AS_SENT,
        **ONE_AT_A_TIME,
    )


def _attention_as_dict(answer: AttentionAnswer) -> dict:
    maps = {
        "spatial": answer.attention.spatial.numpy(),
        "class": answer.attention.classes.numpy(),
        "cost16": answer.costs.stride16,
        "cost32": answer.costs.stride32,
    }
    return {
        "size": list(answer.size),
        "pixel": list(answer.pixel),
        "classes": list(answer.classes),
        "kept": list(answer.kept),
        "present": list(answer.present),
        "best": answer.best,
        **{name: values.astype(float).round(DECIMALS).tolist() for name, values in maps.items()},
        "share": answer.share,
        "share_without_crm": answer.share_without_crm,
    }


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise InputError(f"The query's {name} is a whole number, not {str(value)[:20]}.")
    return int(value)

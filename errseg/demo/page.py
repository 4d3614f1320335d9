"""The page: what stands where, and what happens when."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.demo import html
from errseg.demo.examples import Example, load_examples
from errseg.demo.service import MOST_VOTES, Answer, Request, Service, check_request
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.export import as_dict

logger = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on the server; your photo and words are kept. Please try again."
MOST_KEPT = 100
"""End of the P slider; the paper's best lies between 16 and 48."""
SECONDS_TO_KEEP_FILES = 3600
ONE_AT_A_TIME = {"concurrency_id": "model", "concurrency_limit": 1}
"""All that computes shares one place in the queue: two at once would each take twice as long."""


AS_SENT = {"preprocess": False}
"""Values arrive as the browser sent them. Gradio would decode photos before anything is checked and
refuse numbers in its own words; `check_request` looks at everything and has a sentence for it."""


def create_demo(model: str | Path = "errseg-lite", device: str = AUTOMATIC) -> gr.Blocks:
    """Build the page and start loading its model in the background.

    Args:
        model: a name of `list_models` or a path, see `load_model`.
        device: "auto" or a name of torch's, see `find_device`.

    Raises:
        InputError: there is no such model or file.
    """
    examples = load_examples()
    first = examples[0]
    service = Service(model, device, opening=check_request(first.path, first.classes))
    with gr.Blocks(
        title="ERR-Seg: open-vocabulary segmentation",
        analytics_enabled=False,
        delete_cache=(SECONDS_TO_KEEP_FILES, SECONDS_TO_KEEP_FILES),
    ) as demo:
        gr.HTML(html.header(service.model_name), elem_id="errseg-header")
        with gr.Row(elem_id="errseg-question"):
            with gr.Column(scale=4, min_width=300):
                photo = gr.Image(
                    _served(first.path),
                    type="filepath",
                    label="Photo",
                    **_alternative("The photo to segment"),
                    height=260,
                    elem_id="errseg-photo",
                )
                strip = gr.HTML(
                    html.examples(examples),
                    js_on_load=html.EXAMPLES_SCRIPT,
                    elem_id="errseg-examples",
                )
            with gr.Column(scale=5, min_width=300):
                classes = gr.Textbox(
                    first.classes,
                    label="Classes",
                    info="Commas part classes; sofa | couch are two words for one. "
                    "Shift+Enter starts.",
                    placeholder="dog, grass, sky",
                    lines=2,
                    max_lines=6,
                    elem_id="errseg-classes",
                )
                with gr.Row():
                    kept = _slider(1, MOST_KEPT, KEPT_CLASSES, 1, "P", "classes kept")
                    votes = _slider(1, MOST_VOTES, VOTES_PER_PIXEL, 1, "K", "votes per pixel")
                    threshold = _slider(0, 1, 0, 0.05, "Threshold", "lower is none of these")
                run = gr.Button("Segment", variant="primary", elem_id="errseg-run")
                message = gr.HTML(elem_id="errseg-message")
        with gr.Row(elem_id="errseg-answer"):
            with gr.Column(scale=5, min_width=300):
                overlay = gr.Image(
                    label="Masks",
                    show_label=False,
                    format="png",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    **_alternative("The photo with each class in its colour and under its name"),
                    elem_id="errseg-overlay",
                )
            with gr.Column(scale=2, min_width=200):
                legend = gr.HTML(html.waiting("Legend"), elem_id="errseg-legend")
            with gr.Column(scale=3, min_width=260):
                ranking = gr.HTML(html.waiting("CRM"), elem_id="errseg-ranking")
        notes = gr.HTML(elem_id="errseg-notes")

        question = [photo, classes, kept, votes, threshold]
        outputs = [overlay, legend, ranking, notes, message]
        show = functools.partial(_show, service, outputs=len(outputs))
        shared = {
            "outputs": outputs,
            "api_visibility": "private",
            "show_progress_on": overlay,
            **AS_SENT,
            **ONE_AT_A_TIME,
        }

        def segment_page(*values):
            return show(lambda: service.answer(_checked(*values)))

        def open_page():
            return show(service.opening)

        def pick_example(event: gr.EventData):
            example = _example_at(examples, event)
            return _served(example.path), example.classes

        gr.on([run.click, classes.submit], segment_page, question, **shared)
        demo.load(open_page, **shared)
        strip.click(
            pick_example, None, [photo, classes], queue=False, api_visibility="private"
        ).success(segment_page, question, **shared)
        _add_endpoints(service)
    return demo


def _alternative(text: str) -> dict[str, str]:
    """An image's text for those who can't see it, where Gradio knows of it (from 6.28)."""
    known = "alt_text" in inspect.signature(gr.Image).parameters
    return {"alt_text": text} if known else {}


def _slider(
    least: float, most: float, value: float, step: float, label: str, info: str
) -> gr.Slider:
    return gr.Slider(
        least, most, value, step=step, label=label, info=info, min_width=110, buttons=[]
    )


def _checked(image: dict | None, *values: object) -> Request:
    """Check a question as the browser sent it.

    The photo must be an upload: a made-up path could name any picture on this machine, and Gradio
    looks at the paths of those messages only that are marked as files.
    """
    path = image["path"] if image else None
    if path and not Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        raise InputError("The photo has to be uploaded.")
    return check_request(path, *values)


def _served(path: Path) -> str:
    """Copy a file of ours to where Gradio serves files from; it serves none from elsewhere."""
    return save_file_to_cache(path, get_upload_folder())


def _show(service: Service, compute: Callable[[], Answer], outputs: int) -> list:
    """Turn an answer, or what prevents it, into updates of the page.

    After a refusal everything stays as it was; the sentence appears below the button.
    """
    try:
        answer = compute()
    except InputError as error:
        sentence = str(error)
    except Exception:
        logger.exception("a question could not be answered")
        sentence = UNEXPECTED
    else:
        return [
            answer.overlay,
            html.legend(answer),
            html.ranking(answer),
            html.notes(answer, service.device),
            "",
        ]
    return [gr.skip()] * (outputs - 1) + [html.message(sentence)]


def _example_at(examples: tuple[Example, ...], event: gr.EventData) -> Example:
    index = event._data.get("index") if isinstance(event._data, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(examples):
        raise gr.Error("There is no such example.", print_exception=False)
    return examples[index]


def _add_endpoints(service: Service) -> None:
    """Add the named endpoints for programs. Their inputs are no part of the page."""

    def segment(image, classes, kept_classes, votes_per_pixel, threshold):
        """Segment a photo with any words.

        Args:
            image: a photo file (JPEG, PNG, WebP, GIF, BMP or TIFF); its EXIF orientation counts.
            classes: names, parted by commas, semicolons or new lines; bars part synonyms of one
                class: "dog, sofa | couch, sky". At most 1,000.
            kept_classes: P, how many classes CRM keeps for this photo.
            votes_per_pixel: K, how many classes vote at one pixel, 1 to 10.
            threshold: 0 to 1; pixels whose best score is lower get no class.

        Returns:
            overlay: PNG, the photo with each class in its colour and under its name.
            mask: palette PNG, a pixel's index is its class in `classes`, 255 is none.
            result: classes (index, name, color, area, mean_score, kept, crm_score, crm_rank,
                votes), none_area, mask, settings, notices and timings in seconds.
        """
        try:
            answer = service.answer(
                _checked(image, classes, kept_classes, votes_per_pixel, threshold)
            )
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            logger.exception("a question to /segment could not be answered")
            raise gr.Error(UNEXPECTED, print_exception=False) from None
        return answer.overlay, answer.mask, as_dict(answer.result, answer.colors)

    hidden = {"visible": False}
    gr.Button(**hidden).click(
        segment,
        [
            gr.Image(type="filepath", label="image", **hidden),
            gr.Textbox(label="classes", **hidden),
            gr.Number(KEPT_CLASSES, label="kept_classes", **hidden),
            gr.Number(VOTES_PER_PIXEL, label="votes_per_pixel", **hidden),
            gr.Number(0.0, label="threshold", **hidden),
        ],
        [
            gr.Image(label="overlay", format="png", **hidden),
            gr.Image(label="mask", format="png", image_mode=None, **hidden),
            gr.JSON(label="result", **hidden),
        ],
        api_name="segment",
        **AS_SENT,
        **ONE_AT_A_TIME,
    )

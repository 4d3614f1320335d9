"""Taking a result away: files, a command that reproduces it, a link that restores the view."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from errseg.demo.backend.answers import Answer, AttentionAnswer
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import Request, check_options
from errseg.demo.backend.standalone import write_page
from errseg.errors import InputError
from errseg.options import knobs
from errseg.pictures.coco import coco_photo, write_coco
from errseg.pictures.export import as_dict
from errseg.pictures.figure import Heat, write_figure
from errseg.pictures.files import (
    COCO_FILE,
    FIGURE_FILE,
    MASK_FILE,
    OVERLAY_FILE,
    PAGE_FILE,
    write_json,
)

ALWAYS_TOLD = ("kept_classes", "votes_per_pixel", "threshold")
"""Options that stand in every link; the others where they were turned."""


@dataclass(frozen=True)
class Link:
    """What a link says; None where it says nothing."""

    example: Example | None
    classes: str | None
    model: str  # empty where it says nothing
    options: dict[str, object]  # fields of `Options`, those that were given


def write_files(
    answer: Answer, attention: AttentionAnswer, folder: Path, request: Request
) -> list[Path]:
    """Write the figure, the overlay, the palette mask, the page, the COCO file and the JSON.

    The JSON has the masks as run lengths. Of the request, to a named model, the files tell words,
    settings and the photo's name.
    """
    figure, overlay, mask, page, coco = (
        folder / name for name in (FIGURE_FILE, OVERLAY_FILE, MASK_FILE, PAGE_FILE, COCO_FILE)
    )
    heats = attention_heats(attention)
    write_figure([figure], answer.photo, answer.result, answer.colors, heats, attention.pixel)
    answer.overlay.save(overlay)
    answer.mask.save(mask)
    name = Path(request.photo).name
    write_page(page, answer, attention, command(request, shell_name(name)))
    write_coco(coco, answer.result.classes, [coco_photo(answer.result, name)])
    written = [figure, overlay, mask, page, coco]
    described = {
        **as_dict(answer.result, answer.colors, masks=True),
        "attention_query": list(attention.pixel),
        "attention_share_on_present": attention.share,
    }
    return [*written, write_json(described, folder, written)]


def attention_heats(attention: AttentionAnswer) -> list[Heat]:
    """Choose what a figure shows of attention: of the query's best class, SFM and cost maps."""
    place = attention.kept.index(attention.best)
    heats = [
        Heat(attention.best, "cost, stride 16", "cosine", attention.costs.stride16[place]),
        Heat(attention.best, "cost, stride 32", "cosine", attention.costs.stride32[place]),
    ]
    spatial = attention.attention.spatial
    if spatial.numel():  # (layers, P, heads, h, w)
        weights = spatial[-1, place].mean(dim=0).numpy()
        heats.insert(0, Heat(attention.best, "SFM, last layer", "attention", weights))
    return heats


def shell_name(photo: str) -> str:
    """Write a photo's name so that a shell and a person can read it."""
    return re.sub(r"[^\w.-]", "_", photo).lstrip("-") or "photo.jpg"


def command(request: Request, photo_name: str) -> str:
    """Write the command line that gives the same result as a question to a named model."""
    words = ["python", "-m", "errseg", "segment", photo_name]
    words += ["--classes", request.vocabulary.text, "--model", request.model]
    for name, knob in knobs().items():
        option, value = name.replace("_", "-"), getattr(request.options, name)
        if knob.kind in (int, float):  # always told: another version may have other defaults
            words += [] if value is None else [f"--{option}", f"{value:g}"]
        elif value != knob.default:
            words += [f"--no-{option}"] if value is False else [f"--{option}", value]
    return shlex.join([*words, "--out", "result"])


def query_string(request: Request, example: str | None, first_model: str) -> str:
    """Write the part of a link that restores a view; a visitor's own photo is never in it.

    Args:
        request: to a named model, with a threshold: another version may advise another one.
        example: the name of the photo, if it is one of ours.
        first_model: the page's own, which a link need not name.
    """
    fields = {"example": example} if example else {}
    fields["classes"] = request.vocabulary.text
    for name, knob in knobs().items():
        value = getattr(request.options, name)
        if knob.link and (name in ALWAYS_TOLD or value != knob.default):
            fields[knob.link] = f"{value:g}"  # yes is 1, no is 0
    if request.model != first_model:
        fields["model"] = request.model
    return "?" + urlencode(fields)


def read_link(query: Mapping[str, str], examples: tuple[Example, ...]) -> Link | None:
    """Read a link's query; other parameters than ours are left alone.

    Returns:
        What it says, or None if it has none of our parameters. Whether there is the model that it
        names, `Models.look_up` tells.

    Raises:
        InputError: a parameter can't be used.
    """
    links = {knob.link: (name, knob) for name, knob in knobs().items() if knob.link}
    if not query.keys() & {"example", "classes", "model", *links}:
        return None
    example = None
    if "example" in query:
        example = next((e for e in examples if e.name == query["example"]), None)
        if example is None:
            known = ", ".join(e.name for e in examples)
            raise InputError(f"There is no such example photo; there are {known}.")
    given = {}
    for link, (name, knob) in links.items():
        value = query.get(link)
        if value is not None and knob.kind is bool:
            if value not in ("0", "1"):
                raise InputError(f"In a link {link} is 0 or 1, not {value[:20]!r}.")
            value = value == "1"
        if value is not None:
            given[name] = value
    return Link(example, query.get("classes"), query.get("model", ""), check_options(given))

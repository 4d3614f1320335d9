"""Taking a result away: files, a command that reproduces it, a link that restores the view."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from errseg.config import BETA
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import Request, check_settings
from errseg.demo.backend.service import Answer, AttentionAnswer
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.pictures.export import MASK_FILE, OVERLAY_FILE, RESULT_FILE, as_dict

FIGURE_FILE = "figure.png"


@dataclass(frozen=True)
class Link:
    """What a link says; None where it says nothing."""

    example: Example | None
    classes: str | None
    settings: dict  # of `Request`, those that were given


def write_files(answer: Answer, attention: AttentionAnswer, folder: Path) -> list[Path]:
    """Write the figure, the overlay, the palette mask and the JSON with run-length masks."""
    from errseg.pictures.figure import Heat, write_figure

    place = attention.kept.index(attention.best)
    name = attention.classes[attention.best]
    heats = [
        Heat(f"{name}: cost, stride 16", "cosine", attention.costs.stride16[place]),
        Heat(f"{name}: cost, stride 32", "cosine", attention.costs.stride32[place]),
    ]
    spatial = attention.attention.spatial
    if spatial.numel():  # (layers, P, heads, h, w)
        weights = spatial[-1, place].mean(dim=0).numpy()
        heats.insert(0, Heat(f"{name}: SFM, last layer", "attention", weights))
    figure = folder / FIGURE_FILE
    write_figure(figure, answer.photo, answer.result, answer.colors, heats, attention.pixel)
    answer.overlay.save(folder / OVERLAY_FILE)
    answer.mask.save(folder / MASK_FILE)
    described = {
        **as_dict(answer.result, answer.colors, masks=True),
        "attention_query": list(attention.pixel),
        "attention_share_on_present": attention.share,
    }
    text = json.dumps(described, indent=1, ensure_ascii=False)
    (folder / RESULT_FILE).write_text(text + "\n", encoding="utf-8")
    return [folder / name for name in (FIGURE_FILE, OVERLAY_FILE, MASK_FILE, RESULT_FILE)]


def command(request: Request, photo_name: str) -> str:
    """Write the command line that gives the same result as a question.

    Args:
        request: to a named model, with a threshold.
        photo_name: of the photo's file.
    """
    words = ["python", "-m", "errseg", "segment", photo_name]
    words += ["--classes", request.vocabulary.text, "--model", request.model]
    words += ["--kept-classes", str(request.kept_classes)]
    words += ["--votes-per-pixel", str(request.votes_per_pixel)]
    words += ["--beta", f"{request.beta:g}", "--threshold", f"{request.threshold:g}"]
    if request.input_size:
        words += ["--input-size", str(request.input_size)]
    if request.precision != AUTOMATIC:
        words += ["--precision", request.precision]
    if not request.expand:
        words += ["--no-expand"]
    return shlex.join([*words, "--out", "result"])


def query_string(request: Request, example: str | None, first_model: str) -> str:
    """Write the part of a link that restores a view; a visitor's own photo is never in it.

    Args:
        request: to a named model, with a threshold: another version may advise another one.
        example: the name of the photo, if it is one of ours.
        first_model: the page's own, which a link need not name.
    """
    fields = {"example": example} if example else {}
    fields |= {
        "classes": request.vocabulary.text,
        "kept": request.kept_classes,
        "votes": request.votes_per_pixel,
        "threshold": f"{request.threshold:g}",
    }
    if request.beta != BETA:
        fields["beta"] = f"{request.beta:g}"
    if not request.expand:
        fields["expand"] = "0"
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
    names = ("example", "classes", "kept", "votes", "threshold", "beta", "expand", "model")
    given = {name: query[name] for name in names if name in query}
    if not given:
        return None
    example = None
    if "example" in given:
        example = next((e for e in examples if e.name == given["example"]), None)
        if example is None:
            known = ", ".join(e.name for e in examples)
            raise InputError(f"There is no such example photo; there are {known}.")
    defaults = {"kept": 1, "votes": 1, "threshold": 0, "beta": BETA}
    checked = check_settings(*(given.get(name, value) for name, value in defaults.items()))
    settings = {
        field: checked[field]
        for name, field in zip(
            defaults, ("kept_classes", "votes_per_pixel", "threshold", "beta"), strict=True
        )
        if name in given
    }
    if "expand" in given:
        if given["expand"] not in ("0", "1"):
            raise InputError(f"In a link expand is 0 or 1, not {given['expand'][:20]!r}.")
        settings["expand"] = given["expand"] == "1"
    if "model" in given:
        settings["model"] = given["model"]
    return Link(example, given.get("classes"), settings)

"""Taking a result away: a command that reproduces it, a link that restores the view."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np

from errseg.demo.backend.answers import AttentionAnswer
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import Request, check_options
from errseg.errors import InputError
from errseg.options import as_text, knobs
from errseg.pictures.figure import Heat
from errseg.words.vocabulary import (
    MAX_CLASSES,
    Vocabulary,
    load_vocabulary,
    named_vocabularies,
    parse_classes,
)

LONGEST_QUERY = 7500
"""Characters of a link after the page's own address. Common servers and proxies read 8 KB of a
request's first line (nginx's `large_client_header_buffers`, Apache's `LimitRequestLine`)."""
READABLE = ","
"""What a link leaves as it is, beside letters and digits: chats and mails take it for a part of the
link, as they don't a bar or a quotation mark."""
NOT_IN_IT = "Your photo isn't in the link: whoever opens it is asked for a photo."
ALWAYS_TOLD = ("kept_classes", "votes_per_pixel", "threshold")
"""Options that stand in every link; the others where they were turned."""


MOST_TIMES = 30
"""Times more and less than evenly spread attention: the ends of the colours, as on the page (see
``attention_maths.js``), on a logarithmic scale."""


@dataclass(frozen=True)
class Link:
    """What a link says; None where it says nothing."""

    example: Example | None
    classes: str | None
    model: str  # empty where it says nothing
    options: dict[str, object]  # fields of `Options`, those that were given

    @property
    def lacks_photo(self) -> bool:
        """Whether its words were asked of somebody's own photo, which no link holds."""
        return self.example is None and self.classes is not None


def attention_heats(attention: AttentionAnswer) -> list[Heat]:
    """Choose what a figure shows of attention: of the query's best class, SFM and cost maps."""
    place = attention.kept.index(attention.best)
    heats = [
        Heat(attention.best, "cost, stride 16", "cosine", attention.costs.stride16[place]),
        Heat(attention.best, "cost, stride 32", "cosine", attention.costs.stride32[place]),
    ]
    spatial = attention.attention.spatial
    if spatial.numel():  # (layers, P, heads, h, w)
        times = spatial[0, place].mean(dim=0).numpy() * spatial.shape[-2] * spatial.shape[-1]
        least = np.finfo(np.float32).tiny
        shown = (np.log(np.maximum(times, least)) / math.log(MOST_TIMES)).clip(-1, 1)
        ends = f"{MOST_TIMES} x less", f"{MOST_TIMES} x more"
        heats.insert(0, Heat(attention.best, "SFM, layer 1", "attention", shown, (-1, 1), ends))
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
            words += [f"--no-{option}"] if value is False else [f"--{option}", as_text(value)]
    return shlex.join([*words, "--out", "result"])


def query_string(request: Request, example: str | None, first_model: str) -> str:
    """Write the part of a link that restores a view; a visitor's own photo is never in it.

    A ready-made vocabulary whose words would make the link too long is told by its name.

    Args:
        request: to a named model, with a threshold: another version may advise another one.
        example: the name of the photo, if it is one of ours.
        first_model: the page's own, which a link need not name.
    """
    fields = {"example": example} if example else {}
    told = {}
    for name, knob in knobs().items():
        value = getattr(request.options, name)
        if knob.link and (name in ALWAYS_TOLD or value != knob.default):
            told[knob.link] = as_text(value)
    if request.model != first_model:
        told["model"] = request.model
    query = _query({**fields, "classes": request.vocabulary.text, **told})
    if len(query) <= LONGEST_QUERY or (named := _name_of(request.vocabulary)) is None:
        return query
    return _query({**fields, "vocabulary": named, **told})


def link_to(request: Request, example: str | None, first_model: str) -> dict[str, str]:
    """Tell what the page needs for a link to a view; arguments as for `query_string`.

    Returns:
        ``query``, empty where the link would be too long, and ``note``, what to know of it.
    """
    query = query_string(request, example, first_model)
    if len(query) > LONGEST_QUERY:
        note = (
            f"These words make a link of {len(query):,} characters, and many servers read no more "
            f"than {LONGEST_QUERY:,}: share the files or the command."
        )
        return {"query": "", "note": note}
    return {"query": query, "note": "" if example else NOT_IN_IT}


def _query(fields: Mapping[str, str]) -> str:
    return "?" + urlencode(fields, safe=READABLE)


def _name_of(vocabulary: Vocabulary) -> str | None:
    """Find the ready-made vocabulary that has these words, if there is one."""
    text = vocabulary.text
    return next((n for n in named_vocabularies() if load_vocabulary(n).text == text), None)


def read_link(query: Mapping[str, str], examples: tuple[Example, ...]) -> Link | None:
    """Read a link's query; other parameters than ours are left alone.

    It may name a ready-made vocabulary, whose classes come after those that it has itself.

    Returns:
        What it says, or None if it has none of our parameters. Whether there is the model that it
        names, `Models.look_up` tells.

    Raises:
        InputError: a parameter can't be used.
    """
    links = {knob.link: (name, knob) for name, knob in knobs().items() if knob.link}
    if not query.keys() & {"example", "classes", "vocabulary", "model", *links}:
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
    words = query.get("classes")
    if "vocabulary" in query:
        named = load_vocabulary(query["vocabulary"])
        typed = parse_classes(words, limit=MAX_CLASSES).extend(named) if words else named
        words = typed.text
    return Link(example, words, query.get("model", ""), check_options(given))

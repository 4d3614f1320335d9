"""``python -m errseg segment``: a photo and words in, pictures and JSON out."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.commands.options import (
    add_question_options,
    add_shared,
    asked_options,
    names,
    positive,
)
from errseg.errors import InputError
from errseg.options import Options
from errseg.words.union import SUGGESTED, check_count
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

if TYPE_CHECKING:  # these take long to import
    import numpy as np

    from errseg.demo.backend.request import Request
    from errseg.inference.predictor import Predictor, Result

HELP = "segment a photo with the words you give"
FORMATS = {
    "coco": "a COCO file",
    "masks": "a black-and-white picture a class",
    "cutouts": "a transparent picture a class",
    "html": "a page of its own, for any browser",
    "figure": "PNG",
    "pdf": "the figure as PDF",
}
"""What ``--save`` can write -> what that is."""
OF_ATTENTION = {"html", "figure", "pdf"}
"""Those of `FORMATS` that show attention too."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``segment``."""
    from errseg.pictures.overlay import DEFAULT_OPACITY

    parser.add_argument("photo", type=Path, metavar="PHOTO", help="JPEG, PNG, WebP, GIF, BMP, TIFF")
    add_word_options(parser)
    parser.add_argument(
        "--suggest",
        type=positive,
        nargs="?",
        const=SUGGESTED,
        metavar="N",
        help=f"print N words for what is in the photo ({SUGGESTED}), and segment with them where "
        "neither --classes nor --vocabulary is given; without --out only print them",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the results")
    parser.add_argument(
        "--save",
        type=names,
        default=(),
        metavar="A,B",
        help="more files of the result: "
        + ", ".join(f"{name} ({what})" for name, what in FORMATS.items()),
    )
    add_shared(parser, "--model", "--device", "--compile")
    add_question_options(parser)
    parser.add_argument(
        "--opacity",
        type=float,
        default=DEFAULT_OPACITY,
        help=f"of the colours in overlay.png, 0 to 1 ({DEFAULT_OPACITY})",
    )


def run(args: argparse.Namespace) -> str:
    """Segment a photo and write overlay.png, mask.png, result.json, and what --save names."""
    # What can be refused before the network is loaded is refused here.
    vocabulary, options = asked_vocabulary(args), asked_options(args)
    if not 0 <= args.opacity <= 1:
        raise InputError(f"The opacity must lie between 0 and 1, not {args.opacity}.")
    if unknown := [name for name in args.save if name not in FORMATS]:
        raise InputError(
            f"--save can't write {', '.join(unknown)}; it can write {', '.join(FORMATS)}."
        )
    question = asked_of_the_page(args, vocabulary, options) if OF_ATTENTION & {*args.save} else None
    from errseg.inference.photo import load_image

    photo = load_image(args.photo)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)

    from errseg.checkpoints.weights import load_model
    from errseg.device import find_device
    from errseg.inference.predictor import Predictor
    from errseg.inference.suggestion import suggest_classes
    from errseg.pictures.export import legend, result_colors, write_result

    model = load_model(args.model, find_device(args.device), options.precision, args.compile)
    predictor, said = Predictor(model), []
    if args.suggest is not None:
        suggested = suggest_classes(predictor, photo, args.suggest)
        said = ["Suggested (CRM's score):", *(f"{s.score:9.1f}  {s.name}" for s in suggested)]
        if args.out is None:
            return "\n".join(said)
        if not vocabulary:
            vocabulary = parse_classes([suggestion.name for suggestion in suggested])
            question = question and dataclasses.replace(question, vocabulary=vocabulary)
    result = predictor(photo, vocabulary, options)
    others = save_pictures(args, result, photo)
    if question is not None:
        others += save_attention(args, question, predictor, photo)
    paths = write_result(result, photo, args.out, args.opacity, others)
    height, width = result.labels.shape
    lines = [
        *said,
        f"{args.photo.name}, {width} x {height}: {len(result.kept)} of {len(result.classes)} "
        f"classes kept by {result.settings.model}, {sum(result.timings.values()):.2f} s",
        *(
            f"{entry.area:7.1%}  {entry.name} (score {entry.score:.2f})"
            for entry in legend(result, result_colors(result))
        ),
    ]
    if none := float((result.labels < 0).mean()):
        lines.append(f"{none:7.1%}  none of these")
    # A folder stands for its files.
    parts = dict.fromkeys(path.relative_to(args.out).parts[0] for path in (*paths, *others))
    return "\n".join([*lines, *result.notices, f"Wrote {', '.join(parts)} to {args.out}."])


def asked_of_the_page(
    args: argparse.Namespace, vocabulary: Vocabulary, options: Options
) -> "Request":
    """Put the question as the page puts it, whose answers have attention.

    Raises:
        InputError: CRM keeps too many classes for that.
    """
    from errseg.demo.backend.request import Request
    from errseg.demo.backend.service import check_attended

    # What is written tells a model's name, and of a file of weights not where it lies.
    request = Request(args.photo, vocabulary, options, Path(args.model).name)
    check_attended(request, "lower P, or do without the figure and the HTML file")
    return request


def save_pictures(args: argparse.Namespace, result: "Result", photo: "np.ndarray") -> list[Path]:
    """Write those files of ``--save`` that need no more than the result."""
    from errseg.pictures.coco import coco_photo, write_coco
    from errseg.pictures.files import COCO_FILE
    from errseg.pictures.masks import write_cutouts, write_masks

    written = []
    if "coco" in args.save:
        written.append(args.out / COCO_FILE)
        write_coco(written[0], result.classes, [coco_photo(result, args.photo.name)])
    if "masks" in args.save:
        written += write_masks(result, args.out)
    if "cutouts" in args.save:
        written += write_cutouts(result, photo, args.out)
    return written


def save_attention(
    args: argparse.Namespace, request: "Request", predictor: "Predictor", photo: "np.ndarray"
) -> list[Path]:
    """Write those files of ``--save`` that show attention, of the largest class's surest pixel."""
    from errseg.demo.backend.links import attention_heats, command, shell_name
    from errseg.demo.backend.one_photo import OnePhotoService
    from errseg.demo.backend.standalone import write_page
    from errseg.pictures.figure import write_figure
    from errseg.pictures.files import FIGURE_FILE, PAGE_FILE, PDF_FILE

    answer, attention = OnePhotoService(predictor, photo).answer_and_attention(request)
    written = []
    if "html" in args.save:
        written.append(args.out / PAGE_FILE)
        told = request.changed(threshold=answer.result.settings.threshold)
        write_page(written[0], answer, attention, command(told, shell_name(args.photo.name)))
    pictures = {"figure": FIGURE_FILE, "pdf": PDF_FILE}
    figures = [args.out / file for name, file in pictures.items() if name in args.save]
    if figures:
        heats = attention_heats(attention)
        write_figure(figures, photo, answer.result, answer.colors, heats, attention.pixel)
    return written + figures


def add_word_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to look for, for `chosen_vocabulary`."""
    parser.add_argument(
        "--classes",
        default="",
        help='what to look for: commas part classes, bars synonyms: "dog, sofa | couch, sky"',
    )
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="a benchmark's classes: voc20, context59, ade150, coco171, context459, ade847; "
        "those of --classes come first",
    )


def asked_vocabulary(args: argparse.Namespace) -> Vocabulary:
    """Read the words that were given; an empty vocabulary where the suggested ones are asked.

    Raises:
        InputError: see `chosen_vocabulary` and `check_count`, or a result has no place.
    """
    if args.suggest is not None:
        check_count(args.suggest)
        if not args.classes.strip() and args.vocabulary is None:
            return Vocabulary(())
    elif args.out is None:
        raise InputError("Give a folder for the results: --out DIR.")
    return chosen_vocabulary(args.classes, args.vocabulary)


def chosen_vocabulary(classes: str, name: str | None) -> Vocabulary:
    """Read the classes a person typed, followed by those of a named vocabulary.

    Raises:
        InputError: there is no class, too many, or no vocabulary of this name.
    """
    named = None if name is None else load_vocabulary(name)
    if named and not classes.strip():
        return named
    typed = parse_classes(classes, limit=MAX_CLASSES)
    return parse_classes(typed.extend(named), limit=MAX_CLASSES) if named else typed

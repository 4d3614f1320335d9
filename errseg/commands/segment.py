"""``python -m errseg segment``: a photo and words in, pictures and JSON out."""

import argparse
import dataclasses
from collections.abc import Collection
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
from errseg.pictures.files import FORMATS, OF_ATTENTION, check_formats
from errseg.words.union import SUGGESTED, check_count
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

if TYPE_CHECKING:  # these take long to import
    import numpy as np

    from errseg.demo.backend.request import Request
    from errseg.inference.predictor import Predictor

HELP = "segment a photo with the words you give"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``segment``."""
    from errseg.pictures.overlay import DEFAULT_OPACITY

    parser.add_argument(
        "photo", type=Path, metavar="PHOTO", help="JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF"
    )
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
    wanted = check_formats(args.save, "--save")
    question = asked_of_the_page(args, vocabulary, options) if wanted else None
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
    others = save_files(wanted, question, predictor, photo, args.out) if question else []
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
    """Put the question as the page puts it, whose answers have files and attention.

    Raises:
        InputError: attention is to be shown, and CRM keeps too many classes for that.
    """
    from errseg.demo.backend.request import Request
    from errseg.demo.backend.service import check_attended

    # What is written tells a model's name, and of a file of weights not where it lies.
    request = Request(args.photo, vocabulary, options, Path(args.model).name)
    if not OF_ATTENTION.isdisjoint(args.save):
        check_attended(request, "lower P, or do without the figure and the HTML file")
    return request


def save_files(
    wanted: Collection[str],
    request: "Request",
    predictor: "Predictor",
    photo: "np.ndarray",
    folder: Path,
) -> list[Path]:
    """Write the files of ``--save``; attention is that of the largest class's surest pixel."""
    from errseg.demo.backend.answers import query_pixel
    from errseg.demo.backend.one_photo import OnePhotoService
    from errseg.demo.backend.saved import needs_attention, save

    service = OnePhotoService(predictor, photo)
    answer = service.answer(request)
    attention = None
    if needs_attention(wanted):
        attention = service.attention(request, query_pixel(answer))
    return save(wanted, answer, attention, folder, request)


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

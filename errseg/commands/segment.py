"""``python -m errseg segment``: a photo and words in, pictures and JSON out."""

import argparse
from pathlib import Path

from errseg.commands.options import add_question_options, add_shared, asked_options
from errseg.errors import InputError
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

HELP = "segment a photo with the words you give"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``segment``."""
    from errseg.pictures.overlay import DEFAULT_OPACITY

    parser.add_argument("photo", type=Path, metavar="PHOTO", help="JPEG, PNG, WebP, GIF, BMP, TIFF")
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
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    add_shared(parser, "--model", "--device", "--compile")
    add_question_options(parser)
    parser.add_argument(
        "--opacity",
        type=float,
        default=DEFAULT_OPACITY,
        help=f"of the colours in overlay.png, 0 to 1 ({DEFAULT_OPACITY})",
    )


def run(args: argparse.Namespace) -> str:
    """Segment a photo and write overlay.png, mask.png and result.json."""
    # What can be refused before the network is loaded is refused here.
    vocabulary, options = chosen_vocabulary(args.classes, args.vocabulary), asked_options(args)
    if not 0 <= args.opacity <= 1:
        raise InputError(f"The opacity must lie between 0 and 1, not {args.opacity}.")
    from errseg.inference.photo import load_image

    photo = load_image(args.photo)
    args.out.mkdir(parents=True, exist_ok=True)

    from errseg.checkpoints.weights import load_model
    from errseg.device import find_device
    from errseg.inference.predictor import Predictor
    from errseg.pictures.export import legend, result_colors, write_result

    model = load_model(args.model, find_device(args.device), options.precision, args.compile)
    result = Predictor(model)(photo, vocabulary, options)
    paths = write_result(result, photo, args.out, args.opacity)
    height, width = result.labels.shape
    lines = [
        f"{args.photo.name}, {width} x {height}: {len(result.kept)} of {len(result.classes)} "
        f"classes kept by {result.settings.model}, {sum(result.timings.values()):.2f} s",
        *(
            f"{entry.area:7.1%}  {entry.name} (score {entry.score:.2f})"
            for entry in legend(result, result_colors(result))
        ),
    ]
    if none := float((result.labels < 0).mean()):
        lines.append(f"{none:7.1%}  none of these")
    written = ", ".join(path.name for path in paths)
    return "\n".join([*lines, *result.notices, f"Wrote {written} to {args.out}."])


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

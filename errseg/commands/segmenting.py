"""Commands that segment photos: ``segment``, ``sheet`` and ``models``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from errseg.commands.options import (
    add_compile_option,
    add_expand_option,
    add_model_options,
    add_network_options,
    add_precision_option,
    add_sets_option,
    positive,
)
from errseg.config import BETA, list_models
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "examples.json"
SHEET_QUALITY = 88
"""Of a contact sheet as JPEG: no visible loss."""


def segment_options(parser: argparse.ArgumentParser) -> None:
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
    add_model_options(parser)
    add_precision_option(parser, AUTOMATIC)
    add_compile_option(parser)
    add_network_options(parser)
    parser.add_argument(
        "--beta", type=float, default=BETA, help=f"CRM's score coefficient, 0 to 1 ({BETA})"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="0 to 1; pixels whose best score is lower get no class (the model's own)",
    )
    add_expand_option(parser)
    parser.add_argument(
        "--opacity",
        type=float,
        default=DEFAULT_OPACITY,
        help=f"of the colours in overlay.png, 0 to 1 ({DEFAULT_OPACITY})",
    )


def segment(args: argparse.Namespace) -> str:
    """Segment a photo and write overlay.png, mask.png and result.json."""
    # What can be refused before the network is loaded is refused here.
    vocabulary = chosen_vocabulary(args.classes, args.vocabulary)
    if not 0 <= args.opacity <= 1:
        raise InputError(f"The opacity must lie between 0 and 1, not {args.opacity}.")
    from errseg.inference.photo import load_image

    photo = load_image(args.photo)
    args.out.mkdir(parents=True, exist_ok=True)

    from errseg.checkpoints.weights import load_model
    from errseg.device import find_device
    from errseg.inference.predictor import Predictor
    from errseg.pictures.export import legend, result_colors, write_result

    model = load_model(args.model, find_device(args.device), args.precision, args.compile)
    predictor = Predictor(model)
    result = predictor(
        photo,
        vocabulary,
        kept_classes=args.kept_classes,
        votes_per_pixel=args.votes_per_pixel,
        threshold=args.threshold,
        beta=args.beta,
        input_size=args.input_size,
        expand=args.expand,
    )
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
    if name is None:
        return parse_classes(classes, limit=MAX_CLASSES)
    named = load_vocabulary(name)
    if not classes.strip():
        return named
    typed = parse_classes(classes, limit=MAX_CLASSES)
    known = {prompt.name.casefold() for prompt in typed.classes}
    added = [prompt for prompt in named.classes if prompt.name.casefold() not in known]
    return parse_classes(Vocabulary((*typed.classes, *added), typed.notices), limit=MAX_CLASSES)


def models_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``models``: none."""


def models(args: argparse.Namespace) -> str:
    """List the models."""
    width = max(map(len, list_models()))
    return "\n".join(f"{name:{width}}  {line}" for name, line in list_models().items())


def sheet_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``sheet``."""
    parser.add_argument(
        "--list",
        type=Path,
        default=EXAMPLES,
        metavar="FILE",
        help='JSON list of {"file": ..., "classes": ...} (the example photos)',
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="show validation photos of these sets instead"
    )
    add_sets_option(parser)
    parser.add_argument(
        "--limit", type=positive, default=6, metavar="N", help="photos of each set (6)"
    )
    parser.add_argument("--columns", type=positive, default=2, metavar="N", help="pairs a row (2)")
    parser.add_argument("--threshold", type=float, help="see segment (the model's own)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG or JPEG")
    add_model_options(parser)
    add_network_options(parser)


def sheet(args: argparse.Namespace) -> str:
    """Draw a contact sheet: photos beside their masks."""
    from errseg.checkpoints.weights import load_model
    from errseg.datasets.folders import load_sets, validation_samples
    from errseg.device import find_device
    from errseg.inference.photo import load_image
    from errseg.inference.predictor import Predictor
    from errseg.pictures.sheet import contact_sheet

    if args.data is None:
        entries = json.loads(args.list.read_text(encoding="utf-8"))
        photos = ((load_image(args.list.parent / e["file"]), e["classes"]) for e in entries)
    else:
        photos = (
            (photo, sample_set.class_names)
            for sample_set in load_sets(args.data, args.sets)
            for photo, _ in validation_samples(sample_set, args.limit)
        )
    picture = contact_sheet(
        Predictor(load_model(args.model, find_device(args.device))),
        photos,
        args.columns,
        kept_classes=args.kept_classes,
        votes_per_pixel=args.votes_per_pixel,
        input_size=args.input_size,
        threshold=args.threshold,
    )
    picture.save(args.out, quality=SHEET_QUALITY)
    return f"Wrote {args.out}, {picture.width} x {picture.height} pixels."

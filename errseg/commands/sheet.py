"""``python -m errseg sheet``: photos beside their masks, on one page."""

import argparse
import json
from pathlib import Path

from PIL import Image

from errseg.commands.options import (
    add_question_options,
    add_shared,
    asked_options,
    positive,
)
from errseg.config import EXAMPLES
from errseg.errors import InputError

HELP = "draw photos beside their masks"


def add_options(parser: argparse.ArgumentParser) -> None:
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
    add_shared(parser, "--sets")
    parser.add_argument(
        "--limit", type=positive, default=6, metavar="N", help="photos of each set (6)"
    )
    parser.add_argument("--columns", type=positive, default=2, metavar="N", help="pairs a row (2)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG or JPEG")
    add_shared(parser, "--model", "--device")
    add_question_options(parser, "kept_classes", "votes_per_pixel", "threshold", "input_size")


def run(args: argparse.Namespace) -> str:
    """Draw a contact sheet: photos beside their masks."""
    # What can be refused before all the work is refused here.
    if Image.registered_extensions().get(args.out.suffix.lower()) not in Image.SAVE:
        raise InputError(f"{args.out.name} is no picture's name; end it in .png or .jpg.")
    if not args.out.parent.is_dir():
        raise InputError(f"There is no folder {args.out.parent}.")
    options = asked_options(args)
    entries = read_list(args.list) if args.data is None else []

    from errseg.checkpoints.weights import load_model
    from errseg.datasets.folders import load_sets
    from errseg.datasets.sets import samples
    from errseg.inference.photo import load_image
    from errseg.inference.predictor import Predictor
    from errseg.pictures.sheet import QUALITY, contact_sheet

    photos = ((load_image(file), classes) for file, classes in entries)
    if args.data is not None:
        photos = (
            (photo, sample_set.class_names)
            for sample_set in load_sets(args.data, args.sets)
            for photo, _ in samples(sample_set, sample_set.validation[: args.limit])
        )
    predictor = Predictor(load_model(args.model, args.device))
    picture = contact_sheet(predictor, photos, args.columns, options=options)
    picture.save(args.out, quality=QUALITY)
    return f"Wrote {args.out}, {picture.width} x {picture.height} pixels."


def read_list(file: Path) -> list[tuple[Path, str]]:
    """Read a list of photos, which lie beside it, and the classes to look for in each.

    Raises:
        InputError: it is no such list.
    """
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        return [(file.parent / entry["file"], entry["classes"]) for entry in entries]
    except (ValueError, TypeError, KeyError):  # no text, no JSON, or another kind of JSON
        raise InputError(
            f'{file} is no list of photos; give JSON: [{{"file": ..., "classes": ...}}, ...].'
        ) from None

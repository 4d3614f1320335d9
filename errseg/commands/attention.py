"""The command ``attention``: what attention does over photos, with CRM and without."""

import argparse
import json
from pathlib import Path

from errseg.commands.given import photo_files
from errseg.commands.options import (
    add_data_options,
    add_question_options,
    add_shared,
    asked_options,
    asked_sets,
    check_writable,
    kept_on_failure,
    positive,
)
from errseg.commands.segment import add_word_options, chosen_vocabulary
from errseg.config import KEPT_CLASSES
from errseg.errors import InputError

HELP = "measure what attention does over photos, with CRM and without"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``attention``."""
    parser.add_argument(
        "photos",
        type=Path,
        nargs="*",
        metavar="PHOTO",
        help="photos, or folders of photos; they need words, and the network's own labels say "
        "what is where",
    )
    add_word_options(parser)
    add_data_options(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="photos, of each set")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="for a picture, such as a.png")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    add_shared(parser, "--model", "--device")
    parser.add_argument(
        "--kept-classes",
        type=positive,
        metavar="P",
        help=f"classes that CRM keeps ({KEPT_CLASSES}; of a set the paper's for its vocabulary)",
    )
    others = ("votes_per_pixel", "beta", "input_size", "expand", "precision")
    add_question_options(parser, *others)


def run(args: argparse.Namespace) -> str:
    """Measure what attention does over all pixels of photos."""
    from errseg.measuring.benchmark_report import check_plot

    for place in filter(None, (args.json, args.plot)):
        check_writable(place)
    if args.plot is not None:
        check_plot(args.plot)
    options, vocabulary = asked_options(args), None
    if args.photos:
        if args.data is not None or args.dataset is not None:
            raise InputError("Give either photos with words, or sets by --data or --dataset.")
        vocabulary = chosen_vocabulary(args.classes, args.vocabulary)
        files = photo_files(args.photos)[: args.limit]
    elif args.classes or args.vocabulary:
        raise InputError(
            "--classes and --vocabulary are for photos; sets are asked for their own classes."
        )
    elif args.data is None and args.dataset is None:
        raise InputError("Give a photo with words, or sets of photos with masks by --data DIR.")
    else:
        from errseg.datasets.sets import with_photos

        sets = with_photos(asked_sets(args), "validation")

    from errseg.checkpoints.weights import load_model
    from errseg.inference.predictor import Predictor
    from errseg.measuring.attention import study_photos, study_set
    from errseg.measuring.attention_report import as_dict, as_markdown, plot

    model = load_model(args.model, args.device, options.precision)
    predictor = Predictor(model)
    if vocabulary:
        options = options.changed(kept_classes=args.kept_classes or KEPT_CLASSES)
        studies = [study_photos(predictor, files, vocabulary, options)]
    else:
        own = (args.kept_classes, args.limit)
        studies = [study_set(predictor, one, options, *own) for one in sets]
    text = as_markdown(model, studies)
    with kept_on_failure(text):
        if args.json is not None:
            figures = json.dumps(as_dict(model, studies), indent=1) + "\n"
            args.json.write_text(figures, encoding="utf-8")
        if args.plot is not None:
            plot(studies, args.plot)
    return text

"""The commands of the command line: their options, and what they do.

A command returns what there is to print. What is slow to import is imported by the command that
needs it, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import typing
from collections.abc import Callable
from pathlib import Path

from errseg.config import BETA, KEPT_CLASSES, VOTES_PER_PIXEL, list_models
from errseg.device import AUTOMATIC, FLOAT32, PRECISIONS
from errseg.errors import InputError
from errseg.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

DEFAULT_MODEL = "errseg-lite"
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "examples.json"
SHEET_QUALITY = 88
"""Of a contact sheet as JPEG: no visible loss."""
BENCHMARKED = "errseg-base"
"""The model of the paper's tables; the benchmark needs no weights."""


@dataclasses.dataclass(frozen=True)
class Command:
    """One command: its help line, its options, and the function that runs it."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], str]


def segment_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``segment``."""
    from errseg.visualize import DEFAULT_OPACITY

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
    _add_model_options(parser)
    _add_precision_option(parser, AUTOMATIC)
    _add_network_options(parser)
    parser.add_argument(
        "--beta", type=float, default=BETA, help=f"CRM's score coefficient, 0 to 1 ({BETA})"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        help="0 to 1; pixels whose best score is lower get no class (0)",
    )
    parser.add_argument(
        "--expand",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="read words that errseg-lite doesn't know with what they are: capybara, rodent, "
        "animal (yes)",
    )
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
    from errseg.images import load_image

    photo = load_image(args.photo)
    args.out.mkdir(parents=True, exist_ok=True)

    from errseg.device import find_device
    from errseg.export import legend, result_colors, write_result
    from errseg.predictor import Predictor
    from errseg.weights import load_model

    predictor = Predictor(load_model(args.model, find_device(args.device), args.precision))
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


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    _add_data_option(parser)
    parser.add_argument("--sets", type=_names, metavar="A,B", help="only these sets")
    parser.add_argument("--limit", type=_positive, metavar="N", help="photos of each set")
    parser.add_argument(
        "--threshold",
        type=float,
        help="0 to 1; for the shares of pixels that become -1 (the model's own)",
    )
    parser.add_argument(
        "--without-crm",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure without CRM too (yes)",
    )
    parser.add_argument(
        "--expand",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="read unknown words with their hypernyms, as segment does (yes)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    _add_model_options(parser)
    _add_precision_option(parser, FLOAT32)
    _add_network_options(parser)


def evaluate(args: argparse.Namespace) -> str:
    """Measure a model on the validation photos of sets."""
    from errseg.data import load_sets

    sets = load_sets(args.data, args.sets)

    from errseg.device import find_device
    from errseg.evaluate import Protocol, as_dict, as_table
    from errseg.evaluate import evaluate as measure
    from errseg.predictor import check_threshold
    from errseg.train import HELD_OUT
    from errseg.weights import load_model

    if args.threshold is not None:
        check_threshold(args.threshold)
    protocol = Protocol(
        kept_classes=args.kept_classes,
        votes_per_pixel=args.votes_per_pixel,
        input_size=args.input_size,
        limit=args.limit,
        threshold=args.threshold,
        all_classes=args.without_crm,
        expand=args.expand,
        held_out=HELD_OUT,
    )
    model = load_model(args.model, find_device(args.device), args.precision)
    scores = measure(model, sets, protocol)
    if args.json:
        args.json.write_text(json.dumps(as_dict(scores), indent=1) + "\n", encoding="utf-8")
    return as_table(scores)


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
    parser.add_argument("--sets", type=_names, metavar="A,B", help="only these sets")
    parser.add_argument(
        "--limit", type=_positive, default=6, metavar="N", help="photos of each set (6)"
    )
    parser.add_argument("--columns", type=_positive, default=2, metavar="N", help="pairs a row (2)")
    parser.add_argument("--threshold", type=float, default=0.0, help="see segment (0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG or JPEG")
    _add_model_options(parser)
    _add_network_options(parser)


def sheet(args: argparse.Namespace) -> str:
    """Draw a contact sheet: photos beside their masks."""
    from errseg.data import load_sets, validation_samples
    from errseg.device import find_device
    from errseg.images import load_image
    from errseg.predictor import Predictor
    from errseg.sheet import contact_sheet
    from errseg.weights import load_model

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


def train_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``: one for each setting of `TrainConfig`."""
    from errseg.train import LITE, PUBLISHED, TrainConfig

    _add_data_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="for checkpoint, log and weights; a run that was stopped goes on from there",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"a model's name ({DEFAULT_MODEL})")
    parser.add_argument("--workers", type=_count, default=1, help="processes that read photos (1)")
    group = parser.add_argument_group(
        "settings", "in brackets what they are for errseg-lite and for the other models"
    )
    kinds = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        lite, published = getattr(LITE, field.name), getattr(PUBLISHED, field.name)
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"({_shown(lite)}; {_shown(published)})",
            **_option_kind(kinds[field.name], zero=not (lite and published)),
        )


def train(args: argparse.Namespace) -> str:
    """Train a model, or go on training."""
    from errseg.config import model_config
    from errseg.train import LITE, PUBLISHED, WEIGHTS, TrainConfig
    from errseg.train import train as run

    name = model_config(args.model).name
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    given = {key: value for key, value in vars(args).items() if key in names}
    config = dataclasses.replace(LITE if name == DEFAULT_MODEL else PUBLISHED, **given)
    run(name, args.data, args.out, config, args.workers)
    return f"Wrote {args.out / WEIGHTS}."


def calibrate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``calibrate``."""
    _add_data_option(parser)
    parser.add_argument("--sets", type=_names, metavar="A,B", help="only these sets")
    parser.add_argument(
        "--photos", type=_positive, default=40, metavar="N", help="training photos of each set (40)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the calibrated .safetensors file"
    )
    _add_model_options(parser)


def calibrate(args: argparse.Namespace) -> str:
    """Fit a model's scores to how often they are right, and advise a threshold."""
    from errseg.data import load_sets

    sets = load_sets(args.data, args.sets)

    from errseg.calibration import calibrate as fit
    from errseg.device import find_device
    from errseg.weights import load_model, save_model

    model = fit(load_model(args.model, find_device(args.device)), sets, args.photos)
    save_model(model, args.out)
    config = model.config
    return (
        f"Wrote {args.out}: score = sigmoid({config.score_scale:.3f} * logit "
        f"{config.score_bias:+.3f}), threshold {config.threshold}."
    )


def wordnet_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``wordnet``."""
    from errseg.wordnet import EXTRACT

    parser.add_argument(
        "--source",
        type=Path,
        default=Path("/usr/share/wordnet"),
        metavar="DIR",
        help="WordNet 3.0's files, as Debian's wordnet-base installs them (/usr/share/wordnet)",
    )
    parser.add_argument(
        "--out", type=Path, default=EXTRACT, metavar="FILE", help="the shipped file by default"
    )


def wordnet(args: argparse.Namespace) -> str:
    """Make the extract of WordNet's nouns that ships with the code."""
    from errseg.wordnet_extract import write_extract

    count = write_extract(args.source, args.out)
    return f"Wrote {count:,} synsets to {args.out}, {args.out.stat().st_size:,} bytes."


def benchmark_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``benchmark``."""
    parser.add_argument("--model", default=BENCHMARKED, help=f"a model's name ({BENCHMARKED})")
    parser.add_argument(
        "--size", type=_positive, metavar="PIXELS", help="side of the photo (the model's own)"
    )
    parser.add_argument(
        "--classes", type=_positive, default=150, metavar="T", help="in the vocabulary (150)"
    )
    parser.add_argument(
        "--kept-classes",
        type=_positive,
        default=KEPT_CLASSES,
        metavar="P",
        help=f"classes that CRM keeps ({KEPT_CLASSES})",
    )
    parser.add_argument(
        "--runs", type=_positive, default=3, metavar="N", help="of which the median is told (3)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="for a picture, such as b.png")
    parser.add_argument(
        "--json", metavar="FILE", help="for all figures; - prints them instead of the tables"
    )


def benchmark(args: argparse.Namespace) -> str:
    """Measure how fast a model is beside the network as drawn."""
    from errseg.benchmark import Setting
    from errseg.benchmark import benchmark as measure
    from errseg.benchmark_report import as_text, check_plot, plot

    if args.plot is not None:
        check_plot(args.plot)
    setting = Setting(args.model, args.size, args.classes, args.kept_classes, args.runs)
    report = measure(setting, tell=lambda line: sys.stderr.write(f"{line}\n"))
    if args.plot is not None:
        plot(report, args.plot)
    if args.json is None:
        return as_text(report)
    text = json.dumps(report.as_json(), indent=2)
    if args.json == "-":
        return text
    Path(args.json).write_text(text + "\n", encoding="utf-8")
    return as_text(report)


COMMANDS = {
    "segment": Command("segment a photo with the words you give", segment_options, segment),
    "models": Command("list the models", models_options, models),
    "evaluate": Command("measure a model on photos with masks", evaluate_options, evaluate),
    "sheet": Command("draw photos beside their masks", sheet_options, sheet),
    "train": Command("train a model on photos with masks", train_options, train),
    "calibrate": Command("make a model's scores mean something", calibrate_options, calibrate),
    "wordnet": Command("make the extract of WordNet's nouns", wordnet_options, wordnet),
    "benchmark": Command(
        "measure how fast a model is beside the network as drawn", benchmark_options, benchmark
    ),
}
"""Name -> command, as the help lists them."""


def _add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with one folder per set"
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|PATH",
        help=f"a model's name, a .safetensors file or a released .pth ({DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--device", default=AUTOMATIC, help=f"{AUTOMATIC}, cpu, cuda, ... ({AUTOMATIC})"
    )


def _add_precision_option(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--precision",
        default=default,
        choices=PRECISIONS,
        help=f"what the network computes in; {AUTOMATIC} is the fastest here ({default})",
    )


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kept-classes",
        type=int,
        default=KEPT_CLASSES,
        metavar="P",
        help=f"classes that CRM keeps for this photo ({KEPT_CLASSES})",
    )
    parser.add_argument(
        "--votes-per-pixel",
        type=int,
        default=VOTES_PER_PIXEL,
        metavar="K",
        help=f"classes that vote at one pixel ({VOTES_PER_PIXEL})",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        metavar="PIXELS",
        help="side of the network's input (the model's own)",
    )


def _option_kind(kind: type, zero: bool) -> dict:
    """Say to argparse how an option for a dataclass field of this type is read.

    Args:
        kind: the field's type.
        zero: whether a number may be 0: some preset turns something off with it.
    """
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind is int:
        return {"type": _count if zero else _positive, "metavar": "N"}
    if kind is float:
        return {"type": _amount, "metavar": "X"}
    if kind is str:
        return {"metavar": "FILE"}
    return {"type": _names, "metavar": "A,B"}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value)


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {number}")
    return number


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def _amount(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())

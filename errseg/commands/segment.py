"""``python -m errseg segment``: photos and words in, pictures and JSON out."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.commands.given import folder_names, photo_files, typed_words
from errseg.commands.options import (
    add_question_options,
    add_shared,
    asked_options,
    names,
    positive,
)
from errseg.errors import InputError
from errseg.options import Options
from errseg.pictures.files import FORMATS, RESULT_FILE, check_formats
from errseg.words.union import SUGGESTED, check_count
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, load_vocabulary, parse_classes

if TYPE_CHECKING:  # these take long to import
    import numpy as np

    from errseg.demo.backend.request import Request
    from errseg.inference.photo_files import ReadPhoto
    from errseg.inference.predictor import Predictor

HELP = "segment photos with the words you give"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``segment``."""
    from errseg.pictures.overlay import DEFAULT_OPACITY

    parser.add_argument(
        "photos",
        type=Path,
        nargs="+",
        metavar="PHOTO",
        help="JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF; of several, of a folder or a pattern, each "
        "has a folder of its own in --out",
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
    """Segment photos and write overlay.png, mask.png, result.json, and what --save names."""
    # What can be refused before the network is loaded is refused here.
    vocabulary, options = asked_vocabulary(args), asked_options(args)
    if not 0 <= args.opacity <= 1:
        raise InputError(f"The opacity must lie between 0 and 1, not {args.opacity}.")
    check_formats(args.save, "--save")
    files = photo_files(args.photos)
    asked_of_the_page(args, files[0], vocabulary, options)
    from errseg.inference.photo import load_photo

    is_one = files == args.photos and len(files) == 1
    photo = load_photo(files[0]) if is_one else None
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.predictor import Predictor

    model = load_model(args.model, args.device, options.precision, args.compile)
    predictor = Predictor(model)

    def segment(file: Path, folder: Path | None, read: "ReadPhoto") -> Segmented:
        request = asked_of_the_page(args, file, vocabulary, options)
        return segment_photo(args, request, folder, predictor, read)

    if is_one:
        return "\n".join(segment(files[0], args.out, photo).lines)
    return segment_all(files, args.out, lambda file, out: segment(file, out, load_photo(file)))


@dataclass(frozen=True)
class Segmented:
    """What there is to say of a photo that was segmented."""

    lines: tuple[str, ...]  # all of it
    short: str  # in one line
    notices: tuple[str, ...]
    replaces: bool  # whether an earlier result was there


def segment_photo(
    args: argparse.Namespace,
    request: "Request",
    folder: Path | None,
    predictor: "Predictor",
    photo: "ReadPhoto",
) -> Segmented:
    """Segment one photo and write its result; without a folder only say what may be in it."""
    from errseg.inference.suggestion import suggest_classes
    from errseg.pictures.export import legend, result_colors, write_result

    name, said = request.photo.name, []
    if args.suggest is not None:
        suggested = suggest_classes(predictor, photo, args.suggest)
        said = ["Suggested (CRM's score):", *(f"{s.score:9.1f}  {s.name}" for s in suggested)]
        words = [suggestion.name for suggestion in suggested]
        if folder is None:
            return Segmented(tuple(said), f"{name}: {', '.join(words)}", photo.notices, False)
        if not request.vocabulary:
            request = dataclasses.replace(request, vocabulary=parse_classes(words))
    result = predictor(photo, request.vocabulary, request.options)
    folder.mkdir(parents=True, exist_ok=True)
    replaces = (folder / RESULT_FILE).exists()
    others = save_files(args.save, request, predictor, photo.pixels, folder) if args.save else []
    paths = write_result(result, photo.pixels, folder, args.opacity, others)
    height, width = result.labels.shape
    found, none = legend(result, result_colors(result)), float((result.labels < 0).mean())
    lines = [
        *said,
        f"{name}, {width} x {height}: {len(result.kept)} of {len(result.classes)} "
        f"classes kept by {result.settings.model}, {sum(result.timings.values()):.2f} s",
        *(f"{entry.area:7.1%}  {entry.name} (score {entry.score:.2f})" for entry in found),
        *([f"{none:7.1%}  none of these"] if none else []),
        *result.notices,
        *([f"Replaced the earlier result in {folder}."] if replaces else []),
    ]
    # A folder stands for its files.
    parts = dict.fromkeys(path.relative_to(folder).parts[0] for path in (*paths, *others))
    lines.append(f"Wrote {', '.join(parts)} to {folder}.")
    areas = [f"{entry.name} {entry.area:.1%}" for entry in found]
    areas += [f"none of these {none:.1%}"] if none else []
    return Segmented(tuple(lines), f"{name}: {', '.join(areas)}", result.notices, replaces)


def segment_all(
    files: Sequence[Path], out: Path | None, segment: Callable[[Path, Path | None], Segmented]
) -> str:
    """Segment photos into a folder each below one; one that can't be used doesn't stop the others.

    Returns:
        a line for each, what there is to notice, and a summary.

    Raises:
        InputError: some could not be segmented; the others' lines are printed before.
    """
    from tqdm import tqdm

    lines, told, failed, replaced = [], {}, [], 0
    bar = tqdm(files, unit="photo", leave=False)
    for file, name in zip(bar, folder_names(files), strict=True):
        try:
            segmented = segment(file, out and out / name)
        except InputError as error:
            failed.append(file.name)
            lines.append(f"{file.name}: not segmented. {error}")
            continue
        new = [notice for notice in segmented.notices if notice not in told]
        lines += [segmented.short, *(f"  {notice}" for notice in new)]
        told |= dict.fromkeys(new)
        replaced += segmented.replaces
    done = len(files) - len(failed)
    if out is not None and done:
        lines.append(f"Wrote the results of {done} of {len(files)} photos to {out}, a folder each.")
    if replaced:
        lines.append(f"Replaced {replaced} earlier results.")
    text = "\n".join(lines)
    if failed:
        sys.stdout.write(text + "\n")
        raise InputError(f"{len(failed)} of {len(files)} photos could not be segmented.")
    return text


def asked_of_the_page(
    args: argparse.Namespace, photo: Path, vocabulary: Vocabulary, options: Options
) -> "Request":
    """Put the question as the page puts it, whose answers have files and attention.

    Raises:
        InputError: attention is to be shown, and CRM keeps too many classes for that.
    """
    from errseg.checkpoints.sources import model_name
    from errseg.demo.backend.request import Request
    from errseg.demo.backend.saved import check_can_save

    # What is written tells a model's name, and of a file of weights not where it lies.
    request = Request(photo, vocabulary, options, model_name(args.model))
    check_can_save(request, args.save)
    return request


def save_files(
    wanted: Collection[str],
    request: "Request",
    predictor: "Predictor",
    photo: "np.ndarray",
    folder: Path,
) -> list[Path]:
    """Write the files of ``--save``; attention is that of the largest class's surest pixel."""
    from errseg.demo.backend.one_photo import OnePhotoService
    from errseg.demo.backend.saved import attention_for, save

    service = OnePhotoService(predictor, photo)
    answer = service.answer(request)
    attention = attention_for(service, request, answer, wanted)
    return save(wanted, answer, attention, folder, request)


def add_word_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to look for, for `chosen_vocabulary`."""
    parser.add_argument(
        "--classes",
        default="",
        help='what to look for: commas part classes, bars synonyms: "dog, sofa | couch, sky"; '
        "@FILE reads the words in a file",
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
    typed = parse_classes(typed_words(classes), limit=MAX_CLASSES)
    return parse_classes(typed.extend(named), limit=MAX_CLASSES) if named else typed

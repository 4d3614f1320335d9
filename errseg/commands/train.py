"""``train``: train a model on photos with masks."""

import argparse
from pathlib import Path

from errseg.commands.options import (
    DEFAULT_MODEL,
    add_data_options,
    add_shared,
    asked_sets,
    check_writable,
    count,
    option_kind,
    shown,
)

HELP = "train a model on photos with masks; torchrun starts it in several processes"
METAVARS = {"precision": {"metavar": "NAME"}, "start": {"metavar": "NAME|FILE"}}
UNUSED = "-"  # stands for a setting's value in a recipe that lacks it


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: one for each setting of the recipes."""
    from errseg.training.ablations import ABLATIONS
    from errseg.training.config import LITE, PUBLISHED, RECIPES, meanings_of, settings_of

    add_data_options(parser, several=True)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="for checkpoint, log and weights; a run that was stopped goes on from there",
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="NAME",
        help=f"a model's name (that of --start, else {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        help="settings to begin with (published for errseg-base and errseg-large; for errseg-lite "
        "fine-tune with --start, lite without)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the losses there")
    parser.add_argument("--workers", type=count, default=1, help="processes that read photos (1)")
    add_shared(parser, "--device")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="head.FIELD=VALUE",
        help="change the head, which then begins with random weights; may be repeated. "
        + "; ".join(f"{change}: {meaning}" for change, meaning in ABLATIONS.items())
        + ". For beta, K and P: --beta, --votes-per-pixel, --kept-classes",
    )
    group = parser.add_argument_group(
        "settings", "in brackets what they are for errseg-lite and for the other models"
    )
    lite, published = settings_of(LITE), settings_of(PUBLISHED)
    meanings = meanings_of(LITE) | meanings_of(PUBLISHED)
    for name in lite | published:
        values = [recipe.get(name) for recipe in (lite, published)]
        known = [value for value in values if value is not None]
        defaults = "; ".join(UNUSED if value is None else shown(value) for value in values)
        group.add_argument(
            "--" + name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"{meanings[name]} ({defaults})",
            **option_kind(type(known[0]), zero=not all(known)) | METAVARS.get(name, {}),
        )


def run(args: argparse.Namespace) -> str:
    """Train a model, or go on training."""
    from errseg.checkpoints.stored_config import stored_config
    from errseg.config import LiteConfig, model_config
    from errseg.training.config import RECIPES, settings_of, with_settings

    if args.plot is not None:
        from errseg.measuring.benchmark_report import check_plot

        check_plot(args.plot)
        if args.plot.parent != args.out:  # the run makes that folder
            check_writable(args.plot)
    given = {
        name: value
        for name, value in vars(args).items()
        if any(name in settings_of(recipe) for recipe in RECIPES.values())
    }
    start = given.get("start", "")
    if start and not args.model:
        config = stored_config(start)
    else:
        config = model_config(args.model or DEFAULT_MODEL)
    lite = config is not None and isinstance(config.towers, LiteConfig)
    preset = args.recipe or (("fine-tune" if start else "lite") if lite else "published")
    recipe = with_settings(RECIPES[preset], given)
    sets = asked_sets(args)

    from errseg.distributed import joined_processes
    from errseg.training.checkpoint import plot_losses
    from errseg.training.run import WEIGHTS, train

    name = args.model or ("" if start else DEFAULT_MODEL)
    with joined_processes(args.device) as processes:
        train(name, sets, args.out, recipe, args.workers, args.set, processes)
        if args.plot is not None and processes.first:
            plot_losses(args.out, args.plot)
        return f"Wrote {args.out / WEIGHTS}." if processes.first else ""

"""The command ``convert``: between a released checkpoint and our file."""

import argparse
from pathlib import Path

from errseg.commands.options import check_writable

HELP = "turn a released .pth into our .safetensors, or back"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``convert``."""
    parser.add_argument("source", type=Path, metavar="IN", help="a released .pth, or ours")
    parser.add_argument(
        "target", type=Path, metavar="OUT", help="the other kind; its ending tells which"
    )


def run(args: argparse.Namespace) -> str:
    """Write a model's weights in the other format, with no number changed."""
    from errseg.checkpoints.conversion import check_conversion, convert

    check_conversion(args.source, args.target)
    check_writable(args.target)
    left = convert(args.source, args.target)
    told = f"Wrote {args.target}, {args.target.stat().st_size / 10**6:.1f} MB."
    if left:
        fields = ", ".join(name.replace("_", " ") for name in left)
        told += f" A released checkpoint has no place for these, which it lacks: {fields}."
    return told

"""The command ``fetch``: weights from the Hub, for a machine that has no network later."""

import argparse
from pathlib import Path

from errseg.commands.options import DEFAULT_MODEL
from errseg.errors import InputError

HELP = "download a model's weights from the Hub, for when there is no network"
MB = 10**6


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fetch``."""
    parser.add_argument(
        "model",
        metavar="NAME|hf://...",
        help="errseg-base, errseg-large, or hf://owner/name[/file][@revision]",
    )


def run(args: argparse.Namespace) -> str:
    """Download the newest of what was asked for, unless it is here; say where it lies."""
    from errseg.checkpoints.checksum import told_by_hub
    from errseg.checkpoints.sources import find_weights, weights_here
    from errseg.checkpoints.stored_config import file_hash

    newer = ""
    try:
        found = find_weights(args.model, fresh=True)
    except InputError:
        if weights_here(args.model) is None:
            raise
        found = find_weights(args.model)
        newer = "Whether there is a newer one can't be told: the Hub gave no answer.\n"
    if not found.origin:
        what = "ships with the code" if args.model == DEFAULT_MODEL else "is a file of this machine"
        return f"{args.model} {what}: {found.path}"
    found_hash = file_hash(found.path)
    if told_by_hub(found.path) not in ("", found_hash):
        found = find_weights(args.model, again=True)
        found_hash = file_hash(found.path)
    return (
        f"{args.model} is {found.origin},\n"
        f"{found.path.stat().st_size / MB:,.1f} MB, SHA-256 {found_hash}.\n"
        f"It lies at {found.path}.\n{newer}"
        f"For a machine without a network copy {_repository_folder(found.path)} to "
        "~/.cache/huggingface/hub there, or to hub in the folder that HF_HOME names."
    )


def _repository_folder(path: Path) -> Path:
    """Return a repository's folder in the Hub's cache, of which a snapshot's file is a part."""
    return next(folder.parent for folder in path.parents if folder.name == "snapshots")

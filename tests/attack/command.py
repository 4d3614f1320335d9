"""``python -m tests.attack``: all attacks, one after the other, and a table of their figures."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from attack import (
    crowd,
    doors,
    faults,
    files,
    greedy,
    marks,
    memory,
    messages,
    silent,
    tampered,
)
from attack.app import App, running_app, scratch
from attack.figures import Figures, table


@dataclass(frozen=True)
class Attack:
    """One attack: what it does to an app, and which app that is."""

    run: Callable[..., Figures | list[Figures]]
    own: bool = False  # whether it starts apps of its own, or needs none


ATTACKS = {
    "files": Attack(files.attack),
    "turned": Attack(files.turned),
    "messages": Attack(messages.attack),
    "marks": Attack(marks.attack),
    "doors": Attack(doors.attack),
    "crowd": Attack(crowd.attack),
    "silent": Attack(silent.attack),
    "greedy": Attack(greedy.attack),
    "memory": Attack(memory.attack),
    "idle": Attack(memory.idle),
    "weights": Attack(tampered.attack, own=True),
    "faults": Attack(faults.attack, own=True),
}
"""In the order in which they run: memory is looked at after all that happened to the app."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run attacks and print their figures.

    Returns:
        the exit status: 1 if one does not hold.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--url", help="of a running app on this machine, instead of a new one")
    parser.add_argument("--quick", action="store_true", help="fewer of each, as in CI")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=ATTACKS,
        default=[*ATTACKS],
        metavar="NAME",
        help="; ".join(ATTACKS),
    )
    args = parser.parse_args(arguments)
    found: list[Figures] = []
    with _app(args.url, args.only) as app:
        for name in (name for name in ATTACKS if name in args.only):
            _tell(f"{name} ...")
            found += run(name, app, args.quick)
    for figures in found:
        if not figures.holds:
            _tell(figures.complaint or f"{figures.name}: nothing was tried")
    _tell(table(found))
    return 0 if all(figures.holds for figures in found) else 1


def run(name: str, app: App | None, quick: bool) -> list[Figures]:
    """Run one attack."""
    found = ATTACKS[name].run(app, quick)
    return found if isinstance(found, list) else [found]


@contextmanager
def _app(url: str | None, names: Sequence[str]) -> Iterator[App | None]:
    if url:
        yield App(url, None, None)
    elif all(ATTACKS[name].own for name in names):
        yield None
    else:
        with scratch() as folder, running_app(folder) as app:
            yield app


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

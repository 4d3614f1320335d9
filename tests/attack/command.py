"""``python -m tests.attack``: all attacks, and a table of their figures."""

import argparse
import functools
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
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

ELSEWHERE = 2
"""Attacks with apps of their own at a time, beside one with the app of all: an app starts on one
core, and faults mostly wait."""


@dataclass(frozen=True)
class Attack:
    """One attack: what it does to an app, and which app that is."""

    run: Callable[..., Figures | list[Figures]]
    own: bool = False  # whether it starts apps of its own, or needs none
    alone: bool = False  # whether it measures what anything beside it would change


ATTACKS = {
    "files": Attack(files.attack, alone=True),
    "turned": Attack(files.turned),
    "messages": Attack(messages.attack),
    "marks": Attack(marks.attack, alone=True),
    "doors": Attack(doors.attack),
    "crowd": Attack(crowd.attack, alone=True),
    "silent": Attack(silent.attack, alone=True),
    "greedy": Attack(greedy.attack, alone=True),
    "memory": Attack(memory.attack, alone=True),
    "idle": Attack(memory.idle, alone=True),
    "weights": Attack(tampered.attack, own=True),
    "starts": Attack(faults.at_starts, own=True),
    "faults": Attack(faults.attack, own=True),
    "hub": Attack(faults.of_the_hub, own=True),
}
"""In the order in which they are told of. Those that need an app of their own run beside those that
measure nothing, the others after that, one after the other: memory is looked at in the end."""


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
    with _app(args.url, args.only) as app:
        by_name = _run_all(app, [name for name in ATTACKS if name in args.only], args.quick)
    found = [figures for name in ATTACKS for figures in by_name.get(name, [])]
    for figures in found:
        if not figures.holds:
            _tell(figures.complaint or f"{figures.name}: nothing was tried")
    _tell(table(found))
    return 0 if all(figures.holds for figures in found) else 1


def _run_all(app: App | None, names: Sequence[str], quick: bool) -> dict[str, list[Figures]]:
    own = [name for name in names if ATTACKS[name].own]
    others = [name for name in names if not ATTACKS[name].own]
    # In other processes: in this one the attacks would wait for each other's turn at Python.
    with ProcessPoolExecutor(ELSEWHERE, multiprocessing.get_context("spawn")) as processes:
        elsewhere = processes.map(functools.partial(run, app=None, quick=quick), own)
        found = {n: _told_of(n, app, quick) for n in others if not ATTACKS[n].alone}
        if own:
            _tell(f"{', '.join(own)} ...")
        found |= dict(zip(own, elsewhere, strict=True))
    return found | {n: _told_of(n, app, quick) for n in others if ATTACKS[n].alone}


def _told_of(name: str, app: App | None, quick: bool) -> list[Figures]:
    _tell(f"{name} ...")
    return run(name, app, quick)


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

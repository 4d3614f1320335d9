"""Faults of all kinds: each is survived, and the next ordinary question answered rightly."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from attack import hub, restarts, visits
from attack.app import Client, Said, running_app, scratch
from attack.faulty_app import CLOCK, DISK, FAULTS
from attack.figures import Figures
from attack.photos import page_values, photo, segment
from attack.trial import Trial, refused

LEAST_FAULTS = 25  # issue 17: 25 / 25
REACH = "survived, the next answer right"
SAID = {"disk full": "disk is full", "read-only disk": "use its disk"}  # of a fault
QUICK = 3  # each so-maniest fault of the network is tried then


def attack(app: object = None, quick: bool = False) -> Figures:
    """Do faults to an app of its own."""
    figures = Figures("faults", REACH, least=1 if quick else LEAST_FAULTS)
    with _counted(figures) as folder:
        switch = folder / "fault"
        with running_app(folder / "running", switch=switch) as running:
            trial = Trial(running, switch, folder / "running", figures)
            for fault in [*FAULTS][:: QUICK if quick else 1]:
                what = f"the network raises {fault}"
                trial.of(what, lambda: refused(trial.ask()), fault)
            for fault in DISK:
                _disk(trial, fault)
            for fault in CLOCK:
                trial.of(fault, trial.ordinary, fault)
            visits.try_all(trial)
            log = running.log()
            figures.count("Traceback" not in log, f"a traceback in the log: {log[-1500:]}")
    return figures


def of_the_hub(app: object = None, quick: bool = False) -> Figures:
    """Let the Hub do what it should not, to an app of its own."""
    figures = Figures("faults of the Hub", REACH)
    with _counted(figures) as folder:
        hub.bring_about(figures, folder / "hub", quick)
    return figures


def at_starts(app: object = None, quick: bool = False) -> Figures:
    """Kill apps and start them again, and start them where they can't be."""
    figures = Figures("faults at starts", REACH)
    with _counted(figures) as folder:
        restarts.bring_about(figures, folder, quick)
    return figures


@contextlib.contextmanager
def _counted(figures: Figures) -> Iterator[Path]:
    """Give a folder for a while, and say what did not hold."""
    with figures.timed(), scratch() as folder:
        yield folder
    figures.measured = f"{figures.tried - figures.held} did not"


def _disk(trial: Trial, fault: str) -> None:
    """Do all that writes while nothing can be written."""
    for ask in (_upload, _segment, _share, _batch):
        what = f"{fault}: {ask.__name__.removeprefix('_')}"
        trial.of(what, partial(_refusal, ask, trial, SAID[fault]), fault)


def _refusal(ask, trial: Trial, words: str) -> str:
    with Client(trial.app.url) as client:
        return refused(ask(trial, client), words)


def _upload(trial: Trial, client: Client) -> Said:
    return client.upload("a.jpg", photo(1))


def _segment(trial: Trial, client: Client) -> Said:
    return segment(trial.app, client, trial.upload(client))


def _share(trial: Trial, client: Client) -> Said:
    client.ask_at_once(trial.app.functions["follow_link"], [])  # who opens the page has a result
    return client.ask(trial.app.functions["make_files"], [None, ["coco"]])


def _batch(trial: Trial, client: Client) -> Said:
    question = page_values(trial.app, "segment_all", trial.upload(client))
    return client.ask(trial.app.functions["segment_all"], question)

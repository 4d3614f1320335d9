"""Faults of all kinds: each is survived, and the next ordinary question answered rightly."""

from functools import partial

from attack import hub, restarts, visits
from attack.app import Client, Said, running_app, scratch
from attack.faulty_app import CLOCK, DISK, FAULTS
from attack.figures import Figures
from attack.photos import page_values, photo, segment
from attack.trial import Trial, refused

LEAST_FAULTS = 25  # issue 17: 25 / 25
SAID = {"disk full": "disk is full", "read-only disk": "use its disk"}  # of a fault
QUICK = 3  # each so-maniest fault of the network is tried then


def attack(app: object = None, quick: bool = False) -> Figures:
    """Bring all faults about, in apps of their own."""
    figures = Figures(
        "faults", "survived, the next answer right", least=1 if quick else LEAST_FAULTS
    )
    with figures.timed(), scratch() as folder:
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
        hub.bring_about(figures, folder / "hub", quick)
        restarts.bring_about(figures, folder, quick)
    figures.measured = f"{figures.tried - figures.held} did not"
    return figures


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

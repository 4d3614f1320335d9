"""One question computes at a time; this says whose turn it is.

Two at once would each take twice as long. Visitors stand in one line: of several questions of one
visitor only the first does, the next one stands behind when it is done. A question that is far
dearer than an ordinary one makes way between two parts of the network, as often as somebody waits
with an ordinary one. What nobody waits for any more is not computed, or not to its end.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from errseg.demo.backend.stages import ahead
from errseg.errors import InputError

LONGEST_LINE = 64
"""Questions that wait at a time; each keeps one thread of the server's asleep."""
MOST_OF_ONE_VISITOR = 16
MOST_UNHEARD = 32
"""Waiting questions that nobody listens to yet: a browser listens some milliseconds later."""
SECONDS_UNHEARD = 5.0  # how long a question waits for somebody who listens
SECONDS_LOST = 2.0  # how long one goes on for somebody whose connection is lost
SECONDS_BETWEEN_LOOKS = 0.25  # at whether somebody still listens
ORDINARY_BETWEEN_DEAR = 4
"""Ordinary questions that go before a dear one has a slice, so that it doesn't wait for ever."""
SLICE = 1.0  # seconds that a dear question gets before it looks for others again
MOST_DEAR_BEGUN = 2  # dear questions that are under way: each holds its memory while it makes way
MOST_BEGUN = 5  # questions under way: what computes has a thread for each
OVERRUN = 3.0
"""Times the price, and times the budget, after which a question ends: prices are estimates."""


Number = tuple[float, int]
"""When a question was asked, in seconds of the clock that never goes back; and a count."""


class GoneError(Exception):
    """Nobody waits for this answer any more."""


class Turn:
    """One question's: to be asked for, waited for, and given back."""

    def __init__(
        self,
        number: Number,
        visitor: str | None,
        seconds: float,
        dear: bool,
        most: float,
        wanted: Callable[[], bool],
        tell: Callable[[str], None],
    ):
        self.visitor = visitor
        self.tell = tell  # what its visitor waits for
        self.wanted = wanted  # tells whether it has not been overtaken
        self.seconds = seconds  # its price
        self.dear = dear
        self.begun = False
        self.used = 0.0  # seconds computed
        self.most = most  # seconds after which it ends
        self.number = number  # orders questions as they were asked
        self.since = 0.0  # when its slice began
        self.until = 0.0  # until when it need not make way for ordinary ones
        self.heard = time.monotonic()  # when somebody was last seen to listen


class Places:
    """The line, and the one place in front of it.

    Args:
        visitor: tells who asks in this thread; None is nobody in particular, whose questions don't
            wait for each other.
        listening: tells whether a visitor waits for an answer at this moment.
        asked: tells when what this thread does was asked (`time.monotonic`), if it was longer ago
            than now; of a question that leads to several, of the first only.
    """

    def __init__(
        self,
        visitor: Callable[[], str | None] = lambda: None,
        listening: Callable[[str], bool] = lambda visitor: True,
        asked: Callable[[], float | None] = lambda: None,
    ):
        self._visitor = visitor
        self._listening = listening
        self._asked = asked
        self._count = itertools.count()
        self._line: list[Turn] = []  # who waits
        self._stands: dict[str | Number, Number] = {}  # of visitors, and of nobody's questions
        self._open: list[Turn] = []  # who asked, from the first moment to the last
        self._running: Turn | None = None
        self._since_dear = 0  # ordinary ones that began since a dear one had a slice
        self._changed = threading.Condition()
        self._thread = threading.local()

    @contextmanager
    def turn(
        self, seconds: float, ordinary: float, budget: float, number: Number | None = None
    ) -> Iterator[Callable[[], None]]:
        """Wait for a turn and keep it while a block runs; yields what to call between its parts.

        Args:
            seconds: what the question costs, by estimate.
            ordinary: what an ordinary question costs; twice that is dear.
            budget: seconds that a question may cost.
            number: from `arrive`, where the question came before it could stand in line.

        Raises:
            InputError: too many wait already, or it took far longer than it should.
            GoneError: nobody waits for the answer.
        """
        number = self.arrive() if number is None else number
        turn = self._join(number, seconds, ordinary, budget)
        try:
            self._wait(turn)
            yield lambda: self._pause(turn, ordinary)
        finally:
            self._leave(turn)

    def arrive(self) -> Number:
        """Take a number: whose is lower goes first, however long its photo is read before."""
        return self._number(self._asked())

    def _number(self, asked: float | None = None) -> Number:
        """Give a number behind all others, or one of who asked at a moment before."""
        return time.monotonic() if asked is None else asked, next(self._count)

    @contextmanager
    def wanted(
        self, wanted: Callable[[], bool], tell: Callable[[str], None] = lambda said: None
    ) -> Iterator[None]:
        """Drop the questions that this thread asks in a block once a function says no.

        Args:
            wanted: tells whether somebody still wants an answer.
            tell: is told what a question is at: a stage of `backend.stages`, or a sentence.
        """
        self._thread.wanted, self._thread.tell = wanted, tell
        try:
            yield
        finally:
            self._thread.wanted, self._thread.tell = _always, _silent

    def teller(self) -> Callable[[str], None]:
        """Return what tells whoever asks in this thread what the question is at."""
        return getattr(self._thread, "tell", _silent)

    def waiting(self) -> Callable[[str], None]:
        """Return what tells whoever asks in this thread what it waits for besides its turn.

        It raises a `GoneError` once nobody waits any more.
        """
        wanted, tell, told = getattr(self._thread, "wanted", _always), self.teller(), ""

        def wait(said: str) -> None:
            nonlocal told
            if not wanted():
                raise GoneError
            if said != told:
                tell(said)
                told = said

        return wait

    def heard(self, visitor: str) -> None:
        """Look again at once whose turn it is: a visitor has begun to listen.

        Browsers ask before they listen, so a question that nobody goes before waits for this.
        """
        with self._changed:
            if any(turn.visitor == visitor for turn in self._line):
                self._changed.notify_all()

    def _join(self, number: Number, seconds: float, ordinary: float, budget: float) -> Turn:
        visitor = self._visitor()
        with self._changed:
            turn = Turn(
                number,
                visitor,
                seconds,
                dear=seconds > 2 * ordinary,
                most=OVERRUN * max(budget, seconds),
                wanted=getattr(self._thread, "wanted", _always),
                tell=self.teller(),
            )
            ahead = sum(max(other.seconds - other.used, 0.0) for other in self._open)
            unheard = sum(not self._hears(other) for other in self._line)
            if len(self._line) >= LONGEST_LINE or unheard >= MOST_UNHEARD:
                raise InputError(
                    f"{len(self._line)} questions wait already, some {max(ahead, 1):.0f} seconds "
                    "of work; please try again after that."
                )
            own = sum(other.visitor == visitor for other in self._open if visitor is not None)
            if own >= MOST_OF_ONE_VISITOR:
                raise InputError(
                    f"{own} questions of yours wait already; please wait for some of the answers."
                )
            self._line.append(turn)
            self._open.append(turn)
            self._stands.setdefault(_who(turn), turn.number)
            return turn

    def _wait(self, turn: Turn) -> None:
        told = 0
        with self._changed:
            try:
                while self._running is not None or self._next() is not turn:
                    self._check_wanted(turn, SECONDS_LOST if turn.begun else SECONDS_UNHEARD)
                    if (count := self._ahead(turn)) not in (0, told):
                        turn.tell(ahead(count))
                        told = count
                    self._changed.wait(SECONDS_BETWEEN_LOOKS)
            finally:
                self._line.remove(turn)
                self._changed.notify_all()
            self._running = turn
            turn.begun, turn.since = True, time.monotonic()
            others = any(not other.dear and self._hears(other) for other in self._line)
            turn.until = turn.since + (SLICE if others else 0.0)
            self._since_dear = 0 if turn.dear else self._since_dear + 1

    def _pause(self, turn: Turn, ordinary: float) -> None:
        """Between two parts of the network: end what nobody wants, let others go before."""
        now = time.monotonic()
        used = turn.used + now - turn.since
        if used > turn.most:
            raise InputError(
                f"This took {used:.0f} s already, far longer than it should here; ask for less, "
                "or try again when the server has less to do."
            )
        with self._changed:
            self._check_wanted(turn, SECONDS_LOST)
            turn.dear = turn.dear or used > 2 * OVERRUN * ordinary
            other = self._next() if turn.dear and self._line else None
            if other is None or now < (turn.since + SLICE if other.dear else turn.until):
                return
            self._stop(turn)
            self._stands[_who(turn)] = self._number()
            self._line.append(turn)
            self._changed.notify_all()
        self._wait(turn)

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            self._open.remove(turn)
            if self._running is turn:
                self._stop(turn)
            who = _who(turn)
            if any(_who(other) == who for other in self._open):  # behind all others now
                self._stands[who] = self._number()
            else:
                del self._stands[who]
            self._changed.notify_all()

    def _stop(self, turn: Turn) -> None:
        turn.used += time.monotonic() - turn.since
        self._running = None

    def _next(self) -> Turn | None:
        """Choose who of the line goes first."""
        first: dict[str | Number, Turn] = {}
        for turn in sorted(self._line, key=_order):  # one under way is its visitor's first
            first.setdefault(_who(turn), turn)
        able = [turn for turn in first.values() if self._hears(turn)]
        begun = sum(turn.dear and turn.begun for turn in self._open)
        dear = [t for t in able if t.dear and (t.begun or begun < MOST_DEAR_BEGUN)]
        room = sum(turn.begun for turn in self._open) < MOST_BEGUN
        ordinary = [turn for turn in able if not turn.dear and (turn.begun or room)]
        if ordinary and (not dear or self._since_dear < ORDINARY_BETWEEN_DEAR):
            return min(ordinary, key=self._place)
        return min(dear or ordinary, key=self._place, default=None)

    def _ahead(self, turn: Turn) -> int:
        """Count the visitors who go before: each has one question in the line at a time."""
        before = {_who(other) for other in self._line if self._place(other) < self._place(turn)}
        running = self._running and _who(self._running)
        return len(before | {running} - {None, _who(turn)})

    def _place(self, turn: Turn) -> Number:
        return self._stands[_who(turn)]

    def _hears(self, turn: Turn) -> bool:
        if turn.visitor is None or self._listening(turn.visitor):
            turn.heard = time.monotonic()
            return True
        return False

    def _check_wanted(self, turn: Turn, patience: float) -> None:
        lost = not self._hears(turn) and time.monotonic() - turn.heard > patience
        if lost or not turn.wanted():
            raise GoneError


def _always() -> bool:
    return True


def _silent(said: str) -> None:
    """Nobody waits to be told."""


def _who(turn: Turn) -> str | Number:
    return turn.number if turn.visitor is None else turn.visitor


def _order(turn: Turn) -> tuple[bool, Number]:
    return not turn.begun, turn.number

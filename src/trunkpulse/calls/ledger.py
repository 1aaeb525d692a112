"""Which calls are up at the places that we probe, followed from the SIP that others mirror.

A call is one Call-ID at one place in one direction, so what two proxies mirror of it, or one that
shows every message coming and going, is one call; so are retransmissions and forked answers.

    INVITE -> waiting -> (1xx) ringing -> (2xx) up -> (BYE) over
                 |            |                |
                 |            +-- 3xx-6xx, CANCEL -> over
                 +-- nothing at all for 8 s -> unheard, which is told as silence

An INVITE that nothing comes of is not waited for until Timer B ends it after 32 s (RFC 3261
17.1.1.2): by 7.5 s Timer A has sent it five times over UDP, and not even 100 has come, which leaves
within 200 ms. An unheard call is kept until those 32 s are up, for an answer that does come.
*Over* lingers for 32 s, so that what comes late or again begins no second call; a 2xx makes it up
all the same, because it wins over a CANCEL (9.1) and a fork may answer after others have refused.
An INVITE within a dialog that is not known (we were not there when it began) is followed like any,
so calls join again at their next re-INVITE. A call that ends unseen is forgotten when nothing was
heard of it for its lifetime.

Only what comes from the far side itself proves anything of it: in our calls its answers, because
what it asks of its own accord does not show that it hears us; of its own calls the ACK with the tag
that we have just given it, because an INVITE alone can be forged.

A place is where a far side is and how it is reached: what goes over UDP says nothing of a
connection to the same port, nor the other way round.

Each stage is a row in order of age, so there are no timers, and nothing is searched. A call is a
few hundred bytes whatever its Call-ID is like, and there are never more than ``most_calls``: for
want of room those that are over go first, then the oldest unanswered, then those up of which
nothing was heard for the longest time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from trunkpulse.calls.signal import Signal

__all__ = [
    "SILENCE_SECONDS",
    "Find",
    "LedgerCounts",
    "LedgerOfCalls",
    "Line",
    "Place",
    "Way",
    "Witness",
]

SILENCE_SECONDS: Final = 8.0
"""By then an INVITE has been sent five times over UDP: after 0, 0.5, 1.5, 3.5 and 7.5 seconds."""
TIMER_B_SECONDS: Final = 32.0
"""64 times T1: for so long an INVITE may still be answered."""
LINGER_SECONDS: Final = 32.0
"""As long as a 2xx may be sent again (RFC 3261 13.3.1.4)."""
RINGING_SECONDS: Final = 600.0
"""Nobody lets a call ring for longer, and Timer C would end it (16.6)."""
EXPIRIES_PER_STEP: Final = 500
MOST_FORKS: Final = 8
"""Dialogs of one call that are told apart."""

Host = tuple[str, int]
"""Address and port, as a message shows them."""


class Place(NamedTuple):
    """Where a far side is, and how it is reached."""

    host: str
    port: int
    connected: bool = False
    """True: over connections; False: over UDP."""


Find = Callable[[Host, bool], Place | None]
"""The place of ours that an address is, if it is one; True: it was seen on a connection."""


class Way(Enum):
    """Which way a call goes."""

    OUT = b"o"
    """Its INVITE went to the place."""
    IN = b"i"
    """It came from there."""


class Line(NamedTuple):
    """The calls of one direction at one place."""

    place: Place
    way: Way


class Witness(Protocol):
    """Who is told what calls show; once for each call and event, however often it was seen."""

    def answered(self, line: Line, code: int | None) -> None:
        """The far side answered an INVITE so; None: with nothing at all, for 8 seconds.

        Of provisional answers and 2xx it is the first, of 100 none.
        """

    def acknowledged(self, line: Line) -> None:
        """The far side acknowledged our 2xx to its INVITE."""

    def heard(self, line: Line) -> None:
        """It said something else that only the far side of this call can say."""


@dataclass(slots=True)
class LedgerCounts:
    """What became of calls since the start."""

    begun: int = 0
    """INVITEs that began a call."""
    answered: int = 0
    """Calls that came up."""
    silent: int = 0
    """INVITEs that nothing at all came of."""
    forgotten: int = 0
    """Calls up of which nothing was heard for their lifetime."""
    crowded_out: int = 0
    """Calls that were dropped for want of room, those over not counted."""


class _Call:
    __slots__ = ("caller", "cseq", "dialogs", "ended", "line", "proved", "since", "stage")

    def __init__(self, line: Line, signal: Signal) -> None:
        self.line = line
        self.caller = hash(signal.from_tag)
        """Hashes of tags here: two that fall together cost a wrong count, and nobody can bring
        that about who does not know this process' seed."""
        self.stage: OrderedDict[bytes, _Call]
        """The row that it is in."""
        self.since = 0.0
        """When it was last moved to the end of its row."""
        self.restart(signal)

    def restart(self, signal: Signal) -> None:
        self.cseq = signal.cseq
        self.proved = False
        self.dialogs: tuple[int, ...] = ()
        """Tags of whoever took the call, of dialogs that are up."""
        self.ended: tuple[int, ...] = ()
        """The same of those that ended."""


class LedgerOfCalls:
    """See the module's opening. Moments are monotonic seconds."""

    def __init__(
        self,
        witness: Witness,
        *,
        find: Find,
        most_calls: int = 200_000,
        lifetime_seconds: float = 4 * 3600.0,
    ) -> None:
        self._witness = witness
        self._find = find
        self._most = most_calls
        self._waiting: OrderedDict[bytes, _Call] = OrderedDict()
        self._unheard: OrderedDict[bytes, _Call] = OrderedDict()
        self._ringing: OrderedDict[bytes, _Call] = OrderedDict()
        self._up: OrderedDict[bytes, _Call] = OrderedDict()
        self._over: OrderedDict[bytes, _Call] = OrderedDict()
        self._rows = (self._up, self._waiting, self._ringing, self._over, self._unheard)
        self._lifetimes = (
            (self._waiting, SILENCE_SECONDS),
            (self._unheard, TIMER_B_SECONDS - SILENCE_SECONDS),
            (self._ringing, RINGING_SECONDS),
            (self._up, lifetime_seconds),
            (self._over, LINGER_SECONDS),
        )
        self._numbers: dict[Line, int] = {}
        self.counts = LedgerCounts()

    def __len__(self) -> int:
        """Of calls that are remembered, over or not."""
        return sum(map(len, self._rows))

    @property
    def calls_up(self) -> int:
        """At all places."""
        return len(self._up)

    def up(self, line: Line) -> int:
        """How many calls of this line are up."""
        return self._numbers.get(line, 0)

    # --- what is seen ------------------------------------------------------------------------

    def concerns(self, source: Host, destination: Host, *, connected: bool) -> bool:
        """True if a message between these is to be followed."""
        find = self._find
        return find(destination, connected) is not None or find(source, connected) is not None

    def follow(
        self, signal: Signal, source: Host, destination: Host, now: float, *, connected: bool
    ) -> None:
        """A message went from ``source`` to ``destination``."""
        place = self._find(destination, connected)
        if place is not None:
            self._seen(signal, place, now, from_far_side=False)
        place = self._find(source, connected)
        if place is not None:
            self._seen(signal, place, now, from_far_side=True)

    def _seen(self, signal: Signal, place: Place, now: float, *, from_far_side: bool) -> None:
        name = blake2b(signal.call_id, digest_size=16, person=_person(place)).digest()
        if signal.method == b"INVITE":
            asked_by_them = from_far_side == (signal.code == 0)
            line = Line(place, Way.IN if asked_by_them else Way.OUT)
            call = self._at(name + line.way.value)
            if signal.code == 0 and not signal.to_tag:
                self._invited(name + line.way.value, call, line, signal, now)
                return
            if signal.code and call is not None and self._is_first(call, signal):
                self._answered(name + line.way.value, call, signal, now)
                return
            if signal.code == 0 and call is None and self._other(name, line) is None:
                self._invited(name + line.way.value, None, line, signal, now)
                return
        for way in Way:
            call = self._at(name + way.value)
            if call is not None:
                self._within(name + way.value, call, signal, now, from_far_side=from_far_side)

    def _at(self, key: bytes) -> _Call | None:
        for row in self._rows:
            call = row.get(key)
            if call is not None:
                return call
        return None

    def _other(self, name: bytes, line: Line) -> _Call | None:
        """The call of the same name the other way, which a message within a dialog may be of."""
        return self._at(name + (Way.IN if line.way is Way.OUT else Way.OUT).value)

    @staticmethod
    def _is_first(call: _Call, signal: Signal) -> bool:
        """True if ``signal`` answers the INVITE that began the call, not a later one."""
        return signal.cseq == call.cseq and hash(signal.from_tag) == call.caller

    def _invited(
        self, key: bytes, call: _Call | None, line: Line, signal: Signal, now: float
    ) -> None:
        if call is None:
            if len(self) >= self._most:
                self._make_room()
            call = _Call(line, signal)
            self.counts.begun += 1
        elif signal.cseq <= call.cseq or call.stage is self._up:
            return  # sent again, or shown by another mirror
        else:  # once more, with credentials or after an error
            del call.stage[key]
            call.caller = hash(signal.from_tag)
            call.restart(signal)
        self._enter(self._waiting, key, call, now)

    def _answered(self, key: bytes, call: _Call, signal: Signal, now: float) -> None:
        """The INVITE that began ``call`` was answered, by the far side or, of its own, by us."""
        code, goes_out = signal.code, call.line.way is Way.OUT
        if code < 200:
            if self._is_unanswered(call):
                self._move(self._ringing, key, call, now)
            if goes_out and code == 100:
                self._witness.heard(call.line)
        elif code < 300:
            self._taken(key, call, hash(signal.to_tag), now)
        elif self._is_unanswered(call) or call.stage is self._ringing:
            self._move(self._over, key, call, now)
            if goes_out:
                self._witness.answered(call.line, code)
        if 100 < code < 300 and goes_out and not call.proved:
            call.proved = True
            self._witness.answered(call.line, code)

    def _is_unanswered(self, call: _Call) -> bool:
        return call.stage is self._waiting or call.stage is self._unheard

    def _taken(self, key: bytes, call: _Call, tag: int, now: float) -> None:
        """Somebody took the call: they are known by ``tag``."""
        if tag in call.dialogs or tag in call.ended or len(call.dialogs) == MOST_FORKS:
            return
        if not call.dialogs:
            self._move(self._up, key, call, now)
            self.counts.answered += not call.ended  # a fork that is left may have been up before
            self._numbers[call.line] = self.up(call.line) + 1
        call.dialogs += (tag,)

    def _within(
        self, key: bytes, call: _Call, signal: Signal, now: float, *, from_far_side: bool
    ) -> None:
        """Something else was said in ``call``."""
        if signal.method == b"CANCEL":
            if call.stage is self._ringing:  # before, nothing shows that it was heard
                self._move(self._over, key, call, now)
            return
        sender, tag = hash(signal.from_tag), hash(signal.to_tag)
        if sender != call.caller:
            sender, tag = tag, sender
        if sender != call.caller or tag not in call.dialogs:
            return
        self._move(self._up, key, call, now)
        if from_far_side:
            if signal.method == b"ACK" and call.line.way is Way.IN and not call.proved:
                call.proved = True
                self._witness.acknowledged(call.line)
            elif signal.code or call.line.way is Way.IN:
                self._witness.heard(call.line)
        if signal.method == b"BYE":
            self._hung_up(key, call, tag, now)

    def _hung_up(self, key: bytes, call: _Call, tag: int, now: float) -> None:
        call.dialogs = tuple(each for each in call.dialogs if each != tag)
        call.ended = (*call.ended, tag)[-MOST_FORKS:]
        if not call.dialogs:
            self._move(self._over, key, call, now)

    # --- rows --------------------------------------------------------------------------------

    def _enter(self, row: OrderedDict[bytes, _Call], key: bytes, call: _Call, now: float) -> None:
        row[key] = call
        call.stage = row
        call.since = now

    def _move(self, row: OrderedDict[bytes, _Call], key: bytes, call: _Call, now: float) -> None:
        """Put the call at the end of ``row``."""
        if call.stage is row:
            row.move_to_end(key)
            call.since = now
            return
        self._leave(key, call)
        self._enter(row, key, call, now)

    def _leave(self, key: bytes, call: _Call) -> None:
        del call.stage[key]
        if call.stage is self._up:
            left = self._numbers[call.line] - 1
            if left:
                self._numbers[call.line] = left
            else:
                del self._numbers[call.line]

    def _make_room(self) -> None:
        for row in (self._over, self._unheard, self._waiting, self._ringing, self._up):
            if row:
                key, call = next(iter(row.items()))
                self._leave(key, call)
                self.counts.crowded_out += row is not self._over
                return

    def expire(self, now: float) -> bool:
        """Let go whose time is up, some hundred at most; True: there are more."""
        left = EXPIRIES_PER_STEP
        for row, lifetime_seconds in self._lifetimes:
            while row:
                key, call = next(iter(row.items()))
                if now - call.since < lifetime_seconds:
                    break
                if not left:
                    return True
                left -= 1
                self._leave(key, call)
                if row is self._waiting:
                    self._enter(self._unheard, key, call, call.since + SILENCE_SECONDS)
                    self._was_silent(call)
                self.counts.forgotten += row is self._up
        return False

    def _was_silent(self, call: _Call) -> None:
        if call.line.way is Way.OUT:  # otherwise it is we who did not answer
            self.counts.silent += 1
            self._witness.answered(call.line, None)


def _person(place: Place) -> bytes:
    """What tells calls of one Call-ID at two places apart, in at most 16 bytes."""
    return hash(place).to_bytes(8, "big", signed=True)

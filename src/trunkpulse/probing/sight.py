"""When this process was blind, so that its own deafness never becomes a trunk's failure.

A time-out says "no answer came". It says nothing if we could not have heard one: the event loop
stood still (a stall, a SIGSTOP), the machine slept, or the kernel threw datagrams away because the
socket's buffer was full. Such an attempt has no verdict and is made again.

Blindness is forgiven for a while and not for ever. A loop that always stalls, or a flood of
datagrams from somebody else, must not keep a true outage from being seen: once one of them has gone
on for ``FORGIVEN_SECONDS`` without a pause, time-outs count again, and ``/readyz`` says why they
may be wrong. A pause is long enough for a verdict: attempts follow each other, so in twice the time
of one there is room for one from its beginning to its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from trunkpulse.ports import MachineClock, MessageTransport

__all__ = ["BLIND_SHARE", "FORGIVEN_SECONDS", "STALL_SECONDS", "Sight"]

STALL_SECONDS = 0.5
"""An event loop that is so late has stood still; less is its daily work."""
BLIND_SHARE = 0.25
"""An attempt is void if the loop stood still for this share of its time: the request was sent, but
answers were not read and repetitions (RFC 3261 Timer E) did not leave."""
FORGIVEN_SECONDS = 60.0
PAUSE_SECONDS = 5.0
"""Spans of blindness that are no further apart than this are one that goes on, for any attempt."""
PAUSE_ATTEMPTS = 2.0
"""And for one attempt those that are no further apart than so many times its own time."""
ASLEEP_SECONDS = 0.5
"""The clock that counts sleep has to gain so much on the one that does not; slewing is less."""
REMEMBERED = 64
"""Spans kept of each kind; at one in half a second, as long as the longest attempt takes."""


class Span(NamedTuple):
    """A time, in monotonic seconds, in which something was missed."""

    since: float
    until: float


class _Series(NamedTuple):
    """Spans that followed each other without a pause."""

    since: float
    begun: float
    """The end of the first, which is forgiven however long it was."""
    until: float


class Spans:
    """The latest spans of one kind."""

    __slots__ = ("_latest", "_series")

    def __init__(self) -> None:
        self._latest: deque[Span] = deque(maxlen=REMEMBERED)
        self._series: deque[_Series] = deque(maxlen=REMEMBERED)

    def add(self, span: Span) -> None:
        last = self._series[-1] if self._series else None
        if last is not None and span.since - last.until <= PAUSE_SECONDS:
            self._series[-1] = last._replace(until=span.until)
        else:
            self._series.append(_Series(span.since, span.until, span.until))
        self._latest.append(span)

    def forgives(self, span: Span, pause_seconds: float) -> bool:
        """True unless ``span`` is one of many that have gone on for too long without such a pause.

        It is the latest, or has not been added yet.
        """
        since, begun = span.since, span.until
        for series in reversed(self._series):
            if since - series.until > pause_seconds:
                break
            since, begun = series.since, series.begun
        return span.until - begun <= FORGIVEN_SECONDS

    def seconds_within(self, since: float, until: float) -> float:
        """How much of this time they cover."""
        return sum(max(0.0, min(until, b) - max(since, a)) for a, b in self._latest)

    def after(self, moment: float) -> Span | None:
        """The last one, if it lasted beyond ``moment``."""
        return self._latest[-1] if self._latest and self._latest[-1].until >= moment else None


@dataclass(slots=True)
class _Ear:
    """A socket, and what the kernel threw away of what came to it."""

    transport: MessageTransport
    losses: Spans
    drops: int
    sampled: float


class Sight:
    """See the module's opening. Times are monotonic seconds."""

    def __init__(self, clock: MachineClock) -> None:
        self._clock = clock
        self._stalls = Spans()
        self._sleeps = Spans()
        self._ears: dict[int, _Ear] = {}
        """By identity of the transport, which is kept with it."""
        self._asleep = clock.boot() - clock.monotonic()
        """What the machine has slept since it started."""
        self._awake = self._looked = clock.monotonic()
        self._next_look: float | None = None
        """When the loop shall look again; None: nobody looks."""
        self.suspensions = 0
        """Times that the machine slept."""
        self.slept_seconds = 0.0
        """How long it slept the last time."""
        self.drops = 0
        """Datagrams that the kernel threw away, of all sockets that were looked at."""
        self.voided = 0
        """Attempts whose time-out says nothing."""

    # --- what is noticed -----------------------------------------------------------------------

    def looking(self, next_look: float) -> None:
        """The loop runs now, and means to look again at ``next_look``."""
        self._wake()
        self._looked, self._next_look = self._clock.monotonic(), next_look

    def _wake(self) -> None:
        now = self._clock.monotonic()
        asleep = self._clock.boot() - now
        slept, self._asleep = asleep - self._asleep, asleep
        if slept > ASLEEP_SECONDS:
            self._sleeps.add(Span(self._awake, now))
            self.suspensions += 1
            self.slept_seconds = slept
        self._awake = now

    def stalled(self, since: float, until: float) -> None:
        """The loop did not run in this time."""
        self._stalls.add(Span(since, until))

    def lost(self, transport: MessageTransport, drops: int, now: float) -> None:
        """The kernel has thrown away ``drops`` datagrams of this socket so far."""
        ear = self._ears.get(id(transport))
        if ear is None:
            # It is looked at soon after it is opened: what it lost by then, it lost just now.
            ear = self._ears[id(transport)] = _Ear(transport, Spans(), 0, now)
        if drops > ear.drops:
            ear.losses.add(Span(ear.sampled, now))
            self.drops += drops - ear.drops
        ear.drops, ear.sampled = drops, now

    def keep(self, transports: Iterable[MessageTransport]) -> None:
        """Forget all other sockets: they are closed."""
        there = {id(transport) for transport in transports}
        for key in self._ears.keys() - there:
            del self._ears[key]

    # --- what it means -------------------------------------------------------------------------

    def blind_since(self, transport: MessageTransport, started: float, now: float) -> str | None:
        """Why a time-out at ``now`` of an attempt begun at ``started`` says nothing; None: it does.

        Looks for itself at what happened since the watchdog last looked: of all that a loop which
        stood still has to catch up with, the watchdog need not come first.
        """
        why = self._blind_since(transport, started, now)
        self.voided += why is not None
        return why

    def _blind_since(self, transport: MessageTransport, started: float, now: float) -> str | None:
        self._wake()
        pause = max(PAUSE_SECONDS, PAUSE_ATTEMPTS * (now - started))
        slept = self._sleeps.after(started)
        if slept is not None and self._sleeps.forgives(slept, pause):
            return "the machine was suspended"
        still = self._seconds_still(started, now, pause)
        if still > 0.0 and still >= BLIND_SHARE * (now - started):
            return f"the event loop stood still for {still:.1f} s"
        self.lost(transport, transport.dropped_datagrams(), now)
        losses = self._ears[id(transport)].losses
        loss = losses.after(started)
        if loss is not None and losses.forgives(loss, pause):
            return "the kernel dropped datagrams because the socket's buffer was full"
        return None

    def _seconds_still(self, started: float, now: float, pause: float) -> float:
        """For how much of this time the loop stood still, as far as that is forgiven."""
        seconds = 0.0
        if self._next_look is not None and now - self._next_look > STALL_SECONDS:
            unfinished = Span(self._looked, now)
            if not self._stalls.forgives(unfinished, pause):
                return 0.0
            seconds = now - max(started, self._looked)
        last = self._stalls.after(started)
        if last is not None and self._stalls.forgives(last, pause):
            seconds += self._stalls.seconds_within(started, now)
        return seconds

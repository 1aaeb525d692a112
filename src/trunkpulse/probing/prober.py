"""The driver: wheel in, datagrams out, answers in, verdicts asked for.

For every stimulus (a timer, a batch of datagrams, a command) it does three things: drain what is
due, send, re-arm one timer. There is no task, future or timer per probe. Whatever an attempt came
to is told to the sink at once, and the sink says when the next one shall start.

An answer finds its target by the branch alone (``requests``). A branch that fits a target but no
attempt under way is a late or repeated answer: counted, and ignored.

Nearly every attempt is one datagram each way within T1. Until T1 has passed there is nothing for a
transaction to do but to take a final answer, so none is made: the attempt is known by the target's
``sequence`` alone. One that lasts longer is *unfolded* into a ``NonInviteClientTransaction`` as old
as the attempt, and so are those over connections and those with credentials from the start: all of
that is in ``exchanges``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, Clock
from trunkpulse.probing.departures import MOST_TOGETHER, Departures
from trunkpulse.probing.exchanges import HALF_OF_ALL_CSEQS, LARGEST_CSEQ, Exchanges
from trunkpulse.probing.live import CallsUp, no_calls
from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.outcomes import AttemptSink, ProbeCounts
from trunkpulse.probing.pacing import Places
from trunkpulse.probing.requests import LARGEST_SEQUENCE, SEQUENCE_BITS, Requests
from trunkpulse.probing.schedule import NEVER, first_moments
from trunkpulse.probing.sight import Sight
from trunkpulse.probing.slots import Slots
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.probing.turns import Turns
from trunkpulse.sip.transaction import T1_SECONDS, NonInviteClientTransaction

__all__ = ["Prober"]

LookUp = Callable[[ProbeTarget, Callable[[], None]], None]
"""Finds a target's address and calls back, whether it was found or not."""


def find_nothing(target: ProbeTarget, done: Callable[[], None]) -> None:
    """The ``LookUp`` of a prober whose targets bring their addresses along."""
    del target
    done()


class Prober:
    """See the module's opening. Lives on one event loop; not thread-safe."""

    def __init__(
        self,
        *,
        clock: Clock,
        sink: AttemptSink,
        look_up: LookUp = find_nothing,
        sight: Sight | None = None,
    ) -> None:
        """``sight`` says whether a time-out means anything; None: it always does."""
        self._clock = clock
        self._sink = sink
        self._look_up = look_up
        self._sight = sight
        self._places = Places[ProbeTarget]()
        self.numbers = Numbers()
        self._note_answer = self.numbers.answered
        self._sink_answered = sink.answered
        self._slots = Slots(self.numbers)
        self._targets = self._slots.targets
        self.turns = Turns(clock, self._take_turns, self._wait_for_t1)
        self._wheel = self.turns.wheel
        self._arm = self._wheel.arm
        self._requests = Requests()
        self._match_ordinary = self._requests.match_ordinary
        self.counts = ProbeCounts()
        self._departures = Departures(self._requests, clock, self.counts)
        self._exchanges = Exchanges(self._requests, self.counts, self._arm)
        self.calls_up: CallsUp = no_calls
        """Set by whoever knows of calls; asked only for targets that calls show something of."""

    # --- which targets there are ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, targets: Iterable[ProbeTarget]) -> None:
        """Take these on; they rest until ``spread`` or ``probe_at``."""
        for target in targets:
            self._slots.take(target)

    def spread(self, targets: Sequence[ProbeTarget], least_seconds: float = 0.0) -> None:
        """Start probing these, their first probes spread over an interval, or over more time."""
        intervals = [target.settings.policy.interval_seconds for target in targets]
        moments = first_moments(intervals, self._clock.monotonic(), least_seconds=least_seconds)
        for target, moment in zip(targets, moments, strict=True):
            self._wheel.arm(target, moment)
        self.turns.rearm()

    def remove(self, target: ProbeTarget) -> None:
        """Stop probing; an answer still on its way counts as late."""
        self.pause(target)
        self._slots.leave(target)
        self._exchanges.forget(target)

    def pause(self, target: ProbeTarget) -> None:
        """No probes until ``probe_at``; an attempt under way is dropped without a verdict."""
        self._exchanges.drop(target)
        target.awaiting = target.locating = False
        target.transaction = None
        self._departures.shaken = True
        self._places.leave(target)
        self._wheel.disarm(target)

    def probe_at(self, target: ProbeTarget, moment: float) -> None:
        """Start the next attempt at ``moment`` (monotonic), unless one is under way.

        It starts no sooner after the last one than the target's policy allows, and calls that are
        up do not put it off.
        """
        if not target.awaiting and not target.locating:
            wanted, least = moment, target.settings.policy.minimum_interval_seconds
            if least and target.started:
                moment = max(moment, target.started + least)
            moment = self._places.not_before(target, moment)
            # Its first proof may come while it waits; at the start of all there is none to come.
            if target.live is not None or (moment > wanted and target.started):
                target.witness().insisted = True
            self._wheel.arm(target, moment)
            self.turns.rearm()

    def waiting(self) -> Sequence[ProbeTarget]:
        """Those that a cap keeps from leaving."""
        return self._places.waiting()

    def ask_again(self, targets: Iterable[ProbeTarget]) -> None:
        """The caps are others: those of ``targets`` that wait have their turn now."""
        now = self._clock.monotonic()
        for target in targets:
            if self._places.leave(target):
                self._wheel.arm(target, now)
        self.turns.rearm()

    def is_under_way(self, target: ProbeTarget) -> bool:
        """True while an attempt at the target has not ended."""
        return target.awaiting or target.locating

    def next_attempt(self, target: ProbeTarget) -> float | None:
        """When the next attempt starts; None while paused or while one is under way."""
        moment = None if self.is_under_way(target) else self._wheel.moment_of(target)
        live = target.live
        if live is None or moment is None:
            return moment
        return max(moment, live.rests_until(target, self.calls_up))

    def pauses(self, target: ProbeTarget) -> bool:
        """True while calls spare the target its keepalives."""
        live = target.live
        return (
            live is not None and live.rests_until(target, self.calls_up) > self._clock.monotonic()
        )

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        return self._exchanges.why_challenged(target)

    def close(self) -> None:
        """Send nothing more; safe to repeat."""
        self.turns.close()

    # --- time passes ---------------------------------------------------------------------

    def _take_turns(self, due: list[ProbeTarget]) -> None:
        """Take targets off ``due`` when they have had their turn; after a fault it is the last's.

        Nearly all are of one kind: well, named by their address, and about to be asked. What that
        takes is written out here, because these lines run a few ten thousand times a second.
        """
        departures = self._departures
        turn = departures.number
        add, add_message = departures.targets.append, departures.messages.append
        add_destination, messages = departures.destinations.append, departures.messages
        settings = due[-1].settings
        form = departures.form(settings)
        try:
            while due:
                target = due[-1]
                if target.settings is not settings:
                    settings = target.settings
                    form = departures.form(settings)
                # What was heard or another's turn may have removed or planned it meanwhile.
                if target.index >= 0 and target.due_tick == NEVER:
                    written = target.written
                    if (
                        target.awaiting
                        or written is None
                        or target.rarities
                        or target.sequence >= turn
                        or not settings.plain
                    ):
                        self._take_turn(target)
                    else:
                        target.sequence = turn
                        target.awaiting = True
                        text = target.uri
                        add(target)
                        add_message(form(text.encode(), b"%08x" % target.index))
                        add_destination((text[written[0]], written[1]))
                        if len(messages) == MOST_TOGETHER:
                            departures.leave()
                due.pop()
        finally:
            departures.leave()

    def _take_turn(self, target: ProbeTarget) -> None:
        if target.awaiting:
            self._on_deadline(target, self._clock.monotonic())
        elif target.locating:
            self._give_up_locating(target, self._clock.monotonic())
        else:
            self._start(target)

    def _wait_for_t1(self) -> None:
        """All that began in this turn may be asked again from now on after T1."""
        self._wheel.arm_all(self._departures.end_turn(), self._clock.monotonic() + T1_SECONDS)

    def _start(self, target: ProbeTarget) -> None:
        """Begin an attempt, unless calls show that none is needed yet."""
        now = self._clock.monotonic()
        settings, address = target.settings, target.address
        live = target.live
        if live is not None:
            moment = live.rests_until(target, self.calls_up)
            if moment > now:
                self._wheel.arm(target, moment)
                return
        if settings.pace is not None:
            moment = self._places.moment(target, settings.pace, now)
            if moment > now:
                self._wheel.arm(target, moment)
                return
        if live is not None:
            live.insisted = False
            if live.is_old(target, now):
                target.without_calls()
        self.counts.attempts += 1
        sequence = self._departures.number
        if sequence <= target.sequence < sequence + HALF_OF_ALL_CSEQS:
            sequence = target.sequence + 1 & LARGEST_CSEQ
        target.sequence = sequence
        target.started = now
        if address is None:
            target.locating = True
            self._wheel.arm(target, now + settings.policy.timeout_seconds)
            self._look_up(target, lambda: self._located(target, sequence))
        elif settings.unfolds_later:
            target.awaiting = True
            self._departures.begun.append(target)
            settings.transport.send(self._requests.first(target), address)
        else:
            self._exchanges.begin(target, address, now)

    def unfold(self, target: ProbeTarget) -> NonInviteClientTransaction:
        """The transaction of the attempt under way, such as it is.

        To be called before settings change with which a request was sent: what is sent again is
        the same.
        """
        return self._exchanges.unfold(target)

    def _give_up_locating(self, target: ProbeTarget, now: float) -> None:
        """The time of the attempt is up, and nobody knows yet where its name leads."""
        target.locating = False
        if self._is_void(target, now):
            return
        self.counts.network_errors += 1
        seconds = target.settings.policy.timeout_seconds
        self._end(target, FailureKind.DNS, f"the name was not found within {seconds:g} s", now)

    def _located(self, target: ProbeTarget, sequence: int) -> None:
        if not target.locating or target.sequence != sequence:
            return  # paused or removed meanwhile
        target.locating = False
        now = self._clock.monotonic()
        if target.address is None:
            self.counts.network_errors += 1
            self._end(target, FailureKind.DNS, target.unresolved, now)
        else:
            target.started = now
            self._exchanges.begin(target, target.address, now)
        self.turns.rearm()

    def _on_deadline(self, target: ProbeTarget, now: float) -> None:
        if self._exchanges.goes_on(target, now):
            return
        obstacle = self._exchanges.withdraw(target)
        if self._is_void(target, now):
            return
        if obstacle is not None:
            self.counts.network_errors += 1
            self._end(target, obstacle.kind, obstacle.detail, now)
            return
        self.counts.timeouts += 1
        seconds = target.settings.policy.timeout_seconds
        self._end(target, FailureKind.TIMEOUT, f"no final answer within {seconds:g} s", now)

    def _is_void(self, target: ProbeTarget, now: float) -> bool:
        """True if the attempt's time-out says nothing; then another one is on its way."""
        transport, started = target.settings.transport, target.started
        if self._sight is None or self._sight.blind_since(transport, started, now) is None:
            return False
        target.awaiting = False
        target.transaction = None
        self.counts.voided += 1
        self._wheel.arm(target, max(now, started + target.settings.policy.minimum_interval_seconds))
        return True

    def _end(self, target: ProbeTarget, kind: FailureKind, detail: str, now: float) -> None:
        target.awaiting = False
        target.transaction = None
        self.numbers.lost(target.index)
        self._next(target, self._sink.failed(target, kind, detail), now)

    def _next(self, target: ProbeTarget, delay: float, now: float) -> None:
        if target.index >= 0 and not target.awaiting:
            moment = target.started + delay
            if moment < now:  # noqa: PLR1730 - max() would be a call, on the hottest path
                moment = now
            self._wheel.arm(target, moment)

    # --- the network speaks (MessageReceiver) ----------------------------------------------

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """Give an answer to the attempt it belongs to; never raises for what it says.

        As above, what comes of nearly every answer is written out.
        """
        ordinary = self._match_ordinary(data)
        if ordinary is not None:
            status, mark = ordinary.groups()
            code, number = 200 if status == b"200" else int(status), int(mark, 16)
            index, sequence = number >> SEQUENCE_BITS, number & LARGEST_SEQUENCE
        else:
            read = self._requests.read_answer(data)
            if read is None:
                self.counts.strangers += 1
                return
            code, index, sequence = read
        targets = self._targets
        target = targets[index] if index < len(targets) else None
        if target is None:
            self.counts.strangers += 1
            return
        if not target.awaiting or target.sequence != sequence:
            self.counts.late_answers += 1
            return
        if target.transaction is not None or code < 200:
            sent = self._exchanges.answered(target, code, data, now)
            if sent is None:
                return
        else:
            sent = target.started
        self.counts.answers += 1
        target.awaiting = False
        rtt_seconds = now - sent if now > sent else 0.0
        delay = self._sink_answered(target, code, rtt_seconds, data)
        if target.index >= 0:  # the sink, which may still ask about the answer before, let it stay
            self._note_answer(index, rtt_seconds, code)
            if not target.awaiting:
                moment = target.started + delay
                if moment < now:  # noqa: PLR1730 - max() would be a call
                    moment = now
                self._arm(target, moment)

    def message_left(self, data: bytes, now: float) -> None:
        """A request that had to wait for its connection is on its way: its round trip begins."""
        target = self._sender_of(data)
        if target is not None:
            self._exchanges.left(target, now)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """End the attempt that ``data`` belongs to: the network said no."""
        target = self._sender_of(data)
        if target is not None:
            self._exchanges.refused(target)
            self.counts.network_errors += 1
            self._end(target, kind, detail, now)

    def batch_finished(self) -> None:
        """All waiting datagrams have been handed over."""
        self.turns.rearm()

    def _sender_of(self, data: bytes) -> ProbeTarget | None:
        """The target whose attempt under way ``data`` is the request of."""
        read = self._requests.read_request(data)
        return None if read is None else self._slots.awaiting(*read)

"""The driver: wheel in, datagrams out, answers in, verdicts asked for.

For every stimulus (a timer, a batch of datagrams, a command) it does three things: drain what is
due, send, re-arm one timer. There is no task, future or timer per probe. Whatever an attempt came
to is told to the sink at once, and the sink says when the next one shall start.

An answer finds its target by the branch alone (RFC 3261 17.1.3), which is
``z9hG4bK`` + a secret of this process + the target's index + the attempt's number. A branch that
fits a target but no attempt under way is a late or repeated answer: counted, and ignored.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, Clock
from trunkpulse.probing.schedule import TimingWheel, first_moments
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import peek_response
from trunkpulse.sip.transaction import NonInviteClientTransaction, TransactionEvent

__all__ = ["AttemptSink", "ProbeCounts", "Prober"]

MAGIC_COOKIE = b"z9hG4bK"
PROBES_PER_TURN = 512
"""Probes sent before the event loop may look at anything else."""


LookUp = Callable[[ProbeTarget, Callable[[], None]], None]
"""Finds a target's address and calls back, whether it was found or not."""


def find_nothing(target: ProbeTarget, done: Callable[[], None]) -> None:
    """The ``LookUp`` of a prober whose targets bring their addresses along."""
    del target
    done()


class AttemptSink(Protocol):
    """Who judges attempts. Both answer with the seconds from this attempt's start to the next."""

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float) -> float:
        """A final answer with status ``code`` arrived in time."""

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """The attempt ended without a final answer."""


@dataclass(slots=True)
class ProbeCounts:
    """What the prober did since it started."""

    attempts: int = 0
    retransmissions: int = 0
    answers: int = 0
    timeouts: int = 0
    network_errors: int = 0
    late_answers: int = 0
    """Answers to an attempt that had already ended, repeated ones included."""
    provisional_answers: int = 0
    strangers: int = 0
    """Datagrams that answer nothing of ours."""
    lateness_seconds_max: float = 0.0
    """The worst delay between the moment a probe was due and the moment it left."""


class Prober:
    """See the module's opening. Lives on one event loop; not thread-safe."""

    def __init__(self, *, clock: Clock, sink: AttemptSink, look_up: LookUp = find_nothing) -> None:
        self._clock = clock
        self._sink = sink
        self._look_up = look_up
        self._wheel: TimingWheel[ProbeTarget] = TimingWheel(clock.monotonic())
        self._targets: list[ProbeTarget | None] = []
        self._vacant: list[tuple[int, int]] = []
        """(index, next sequence) of slots whose target has gone."""
        self._branch_head = MAGIC_COOKIE + secrets.token_hex(8).encode()
        self._call_head = secrets.token_hex(8).encode()
        self._tag_head = secrets.token_hex(4).encode()  # 32 random bits (RFC 3261 19.3)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_moment = 0.0
        self._closed = False
        self.counts = ProbeCounts()

    # --- which targets there are ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self._targets) - len(self._vacant)

    def add(self, targets: Iterable[ProbeTarget]) -> None:
        """Take these on; they rest until ``spread`` or ``probe_at``."""
        for target in targets:
            if self._vacant:
                target.index, target.sequence = self._vacant.pop()
                self._targets[target.index] = target
            else:
                target.index = len(self._targets)
                self._targets.append(target)

    def spread(self, targets: Sequence[ProbeTarget]) -> None:
        """Start probing these, their first probes spread out in time."""
        intervals = [target.settings.policy.interval_seconds for target in targets]
        moments = first_moments(intervals, self._clock.monotonic())
        for target, moment in zip(targets, moments, strict=True):
            self._wheel.arm(target, moment)
        self._rearm()

    def remove(self, target: ProbeTarget) -> None:
        """Stop probing; an answer still on its way counts as late."""
        self.pause(target)
        self._targets[target.index] = None
        self._vacant.append((target.index, target.sequence))
        target.index = -1

    def pause(self, target: ProbeTarget) -> None:
        """No probes until ``probe_at``; an attempt under way is dropped without a verdict."""
        target.transaction = None
        target.locating = False
        self._wheel.disarm(target)

    def probe_at(self, target: ProbeTarget, moment: float) -> None:
        """Start the next attempt at ``moment`` (monotonic), unless one is under way."""
        if target.transaction is None and not target.locating:
            self._wheel.arm(target, moment)
            self._rearm()

    def is_under_way(self, target: ProbeTarget) -> bool:
        """True while an attempt at the target has not ended."""
        return target.transaction is not None or target.locating

    def overdue_seconds(self) -> float:
        """For how long a probe has been waiting that should have left; 0 if all is on time."""
        moment = self._wheel.next_moment()
        return 0.0 if moment is None else max(0.0, self._clock.monotonic() - moment)

    def next_attempt(self, target: ProbeTarget) -> float | None:
        """When the next attempt starts; None while paused or while one is under way."""
        return None if target.transaction else self._wheel.moment_of(target)

    def close(self) -> None:
        """Send nothing more; safe to repeat."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- time passes ---------------------------------------------------------------------

    def _rearm(self) -> None:
        if self._closed or (self._timer and not self._wheel.armed_before(self._timer_moment)):
            return
        moment = self._wheel.next_moment()
        self._wheel.forget_armed()
        if moment is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_moment = moment
        # In whole milliseconds, rounded up: libuv knows no finer ones, and a timer that fires
        # before its moment is a wake-up for nothing.
        delay = math.ceil((moment - self._clock.monotonic()) * 1000 + 0.5) / 1000
        self._timer = asyncio.get_running_loop().call_later(max(0.0, delay), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        counts = self.counts
        sent = 0
        due: list[ProbeTarget] = []
        try:
            while sent < PROBES_PER_TURN:
                now = self._clock.monotonic()
                taken = self._wheel.take(now)
                if taken is None:
                    break
                moment, due = taken
                counts.lateness_seconds_max = max(counts.lateness_seconds_max, now - moment)
                sent += len(due)
                while due:
                    target = due.pop()
                    if target.transaction is None:
                        self._start(target, now)
                    else:
                        self._on_deadline(target, target.transaction, now)
        finally:
            # Whatever went wrong with one target, the others' turn comes, and the timer's.
            for target in due:
                self._wheel.arm(target, self._clock.monotonic())
            self._rearm()

    def _start(self, target: ProbeTarget, now: float) -> None:
        self.counts.attempts += 1
        target.sequence = target.sequence + 1 & 0x7FFFFFFF  # RFC 3261 8.1.1.5
        target.started = now
        if target.address is None:
            target.locating = True
            sequence = target.sequence
            self._look_up(target, lambda: self._located(target, sequence))
        else:
            self._send(target, target.address, now)

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
            self._send(target, target.address, now)
        self._rearm()

    def _send(self, target: ProbeTarget, address: Address, now: float) -> None:
        settings = target.settings
        sequence = target.sequence
        mark = b"%08x%08x" % (target.index, sequence)
        branch = self._branch_head + mark
        request = settings.options.render(
            target.request_uri, branch, self._tag_head + mark, self._call_head + mark, sequence
        )
        transaction = target.transaction = NonInviteClientTransaction(
            request, branch, now, timeout_seconds=settings.policy.timeout_seconds
        )
        self._wheel.arm(target, transaction.deadline)
        settings.transport.send(request, address)

    def _on_deadline(
        self, target: ProbeTarget, transaction: NonInviteClientTransaction, now: float
    ) -> None:
        event = transaction.on_deadline(now)
        if event is TransactionEvent.TIMED_OUT:
            self.counts.timeouts += 1
            seconds = target.settings.policy.timeout_seconds
            self._end(target, FailureKind.TIMEOUT, f"no final answer within {seconds:g} s", now)
            return
        self._wheel.arm(target, transaction.deadline)
        if event is TransactionEvent.RETRANSMIT and target.address is not None:
            self.counts.retransmissions += 1
            target.settings.transport.send(transaction.request, target.address)

    def _end(self, target: ProbeTarget, kind: FailureKind, detail: str, now: float) -> None:
        target.transaction = None
        self._next(target, self._sink.failed(target, kind, detail), now)

    def _next(self, target: ProbeTarget, delay: float, now: float) -> None:
        if target.index >= 0 and target.transaction is None:
            self._wheel.arm(target, max(target.started + delay, now))

    # --- the network speaks (MessageReceiver) ----------------------------------------------

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """Give an answer to the attempt it belongs to; never raises for what it says."""
        peeked = peek_response(data)
        if peeked is None:
            peeked = _read_response(data)
            if peeked is None:
                self.counts.strangers += 1
                return
        code, branch = peeked
        target = self._target_of(branch)
        if target is None:
            self.counts.strangers += 1
            return
        transaction = target.transaction
        if transaction is None or not _same_branch(transaction.branch, branch):
            self.counts.late_answers += 1
            return
        event = transaction.on_response(code, now)
        if event is TransactionEvent.FINAL:
            self.counts.answers += 1
            target.transaction = None
            delay = self._sink.answered(target, code, now - target.started)
            self._next(target, delay, now)
        elif event is TransactionEvent.PROVISIONAL:
            self.counts.provisional_answers += 1
            self._wheel.arm(target, transaction.deadline)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """End the attempt that ``data`` belongs to: the network said no."""
        start = data.find(self._branch_head)
        end = start + len(self._branch_head) + 16
        target = self._target_of(data[start:end]) if start >= 0 else None
        if target is None or target.transaction is None:
            return
        if target.transaction.branch != data[start:end]:
            return
        target.transaction.on_transport_error()
        self.counts.network_errors += 1
        self._end(target, kind, detail, now)

    def batch_finished(self) -> None:
        """All waiting datagrams have been handed over."""
        self._rearm()

    def _target_of(self, branch: bytes) -> ProbeTarget | None:
        head = len(self._branch_head)
        if not _same_branch(self._branch_head, branch[:head]):
            return None
        try:
            return self._targets[int(branch[head : head + 8], 16)]
        except (ValueError, IndexError):
            return None


def _same_branch(ours: bytes, theirs: bytes) -> bool:
    # Case does not matter (RFC 3261 7.3.1), and some peers do change it.
    return ours == theirs or ours.lower() == theirs.lower()


def _read_response(data: bytes) -> tuple[int, bytes] | None:
    """What ``peek_response`` says, at leisure, of an answer out of the ordinary.

    More than one Via means that the answer is not for us (RFC 3261 8.1.3.3).
    """
    try:
        facts = response_facts(data)
    except SipError:
        return None
    if facts.via_count != 1 or facts.cseq_method != "OPTIONS":
        return None
    return facts.code, facts.branch

"""The driver: wheel in, datagrams out, answers in, verdicts asked for.

For every stimulus (a timer, a batch of datagrams, a command) it does three things: drain what is
due, send, re-arm one timer. There is no task, future or timer per probe. Whatever an attempt came
to is told to the sink at once, and the sink says when the next one shall start.

An answer finds its target by the branch alone (``branches``). A branch that fits a target but no
attempt under way is a late or repeated answer: counted, and ignored.

A challenge (401, 407) that we have credentials for is part of the attempt: the request is sent once
more, authenticated, in a transaction of its own (RFC 3261 22.2), within the time of the attempt.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, Clock, Obstacle
from trunkpulse.probing.branches import Branches, code_and_branch, mark_of, same_branch
from trunkpulse.probing.challenges import CHALLENGES, Challenges
from trunkpulse.probing.schedule import TimingWheel, first_moments
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.transaction import NonInviteClientTransaction, TransactionEvent

__all__ = ["AttemptSink", "ProbeCounts", "Prober"]

AFTER_A_FAULT_SECONDS = 1.0
"""A target whose turn ended in an exception, a fault of ours, has its next turn then."""
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

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        """A final answer with status ``code`` arrived in time; ``data`` is the whole of it."""

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
    challenges: int = 0
    """Challenges that were answered with credentials."""
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
        self._branches = Branches()
        self._call_head = secrets.token_hex(8).encode()
        self._tag_head = secrets.token_hex(4).encode()  # 32 random bits (RFC 3261 19.3)
        self._challenges = Challenges()
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
        self._challenges.forget(target)

    def pause(self, target: ProbeTarget) -> None:
        """No probes until ``probe_at``; an attempt under way is dropped without a verdict."""
        self._withdraw(target)
        target.transaction = None
        target.locating = False
        self._wheel.disarm(target)

    def probe_at(self, target: ProbeTarget, moment: float) -> None:
        """Start the next attempt at ``moment`` (monotonic), unless one is under way.

        It starts no sooner after the last one than the target's policy allows.
        """
        if target.transaction is None and not target.locating:
            least = target.settings.policy.minimum_interval_seconds
            if least and target.started:
                moment = max(moment, target.started + least)
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
        return None if self.is_under_way(target) else self._wheel.moment_of(target)

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        return self._challenges.problem(target)

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
        unfinished: ProbeTarget | None = None
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
                    unfinished = due.pop()
                    self._take_turn(unfinished, now)
                    unfinished = None
        finally:
            # Whatever went wrong with one target, the others' turn comes, and the timer's.
            now = self._clock.monotonic()
            for target in due:
                self._wheel.arm(target, now)
            if unfinished is not None and unfinished.index >= 0:
                self._wheel.arm(unfinished, now + AFTER_A_FAULT_SECONDS)
            self._rearm()

    def _take_turn(self, target: ProbeTarget, now: float) -> None:
        if target.index < 0:
            return  # removed by what another target's turn brought about
        if target.locating:
            self._give_up_locating(target, now)
        elif target.transaction is None:
            self._start(target, now)
        else:
            self._on_deadline(target, target.transaction, now)

    def _start(self, target: ProbeTarget, now: float) -> None:
        self.counts.attempts += 1
        target.sequence = target.sequence + 1 & 0x7FFFFFFF  # RFC 3261 8.1.1.5
        target.started = now
        if target.address is None:
            target.locating = True
            sequence = target.sequence
            self._wheel.arm(target, now + target.settings.policy.timeout_seconds)
            self._look_up(target, lambda: self._located(target, sequence))
        else:
            self._send(target, target.address, now)

    def _give_up_locating(self, target: ProbeTarget, now: float) -> None:
        """The time of the attempt is up, and nobody knows yet where its name leads."""
        target.locating = False
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
            self._send(target, target.address, now)
        self._rearm()

    def _send(self, target: ProbeTarget, address: Address, now: float) -> None:
        """Begin an attempt: send its first request."""
        settings = target.settings
        mark = mark_of(target.index, target.sequence)
        proof = b""
        if settings.identity.credentials is not None:
            proof = self._challenges.begin(target, mark)
        seconds = settings.policy.timeout_seconds
        self._transmit(target, address, (mark, mark, proof), seconds, now)

    def _transmit(
        self,
        target: ProbeTarget,
        address: Address,
        message: tuple[bytes, bytes, bytes],
        timeout_seconds: float,
        now: float,
    ) -> None:
        """Send a request in a transaction of its own.

        ``message`` is its own mark, that of the attempt's first request, which Call-ID and tag are
        made of, and the header lines that prove who we are.
        """
        mark, first_mark, proof = message
        settings = target.settings
        branch = self._branches.head + mark
        request = settings.options.render(
            target.request_uri,
            branch,
            self._tag_head + first_mark,
            self._call_head + first_mark,
            target.sequence,
            proof,
        )
        transaction = target.transaction = NonInviteClientTransaction(
            request, branch, now, timeout_seconds=timeout_seconds, reliable=settings.reliable
        )
        self._wheel.arm(target, transaction.deadline)
        settings.transport.send(request, address)

    def _on_deadline(
        self, target: ProbeTarget, transaction: NonInviteClientTransaction, now: float
    ) -> None:
        event = transaction.on_deadline(now)
        if event is TransactionEvent.TIMED_OUT:
            obstacle = self._withdraw(target)
            if obstacle is not None:
                self.counts.network_errors += 1
                self._end(target, obstacle.kind, obstacle.detail, now)
                return
            self.counts.timeouts += 1
            seconds = target.settings.policy.timeout_seconds
            self._end(target, FailureKind.TIMEOUT, f"no final answer within {seconds:g} s", now)
            return
        self._wheel.arm(target, transaction.deadline)
        if event is TransactionEvent.RETRANSMIT and target.address is not None:
            self.counts.retransmissions += 1
            target.settings.transport.send(transaction.request, target.address)

    def _withdraw(self, target: ProbeTarget) -> Obstacle | None:
        """Tell the transport that nobody waits any more; why the request never left, if so."""
        transaction, settings = target.transaction, target.settings
        if transaction is None or target.address is None or not settings.reliable:
            return None
        return settings.transport.withdraw(transaction.request, target.address)

    def _meets_challenge(
        self, target: ProbeTarget, transaction: NonInviteClientTransaction, data: bytes, now: float
    ) -> bool:
        """Send the request once more, authenticated; False if the challenge is the last word."""
        seconds = target.started + target.settings.policy.timeout_seconds - now
        if target.address is None or seconds <= 0:
            return False
        proof = self._challenges.met(target, data, self._branches.mark(transaction.branch))
        if proof is None:
            return False
        self.counts.challenges += 1
        target.sequence = target.sequence + 1 & 0x7FFFFFFF
        mark = mark_of(target.index, target.sequence)
        first_mark = self._challenges.mark_of(target)
        self._transmit(target, target.address, (mark, first_mark, proof), seconds, now)
        return True

    def _end(self, target: ProbeTarget, kind: FailureKind, detail: str, now: float) -> None:
        target.transaction = None
        self._next(target, self._sink.failed(target, kind, detail), now)

    def _next(self, target: ProbeTarget, delay: float, now: float) -> None:
        if target.index >= 0 and target.transaction is None:
            self._wheel.arm(target, max(target.started + delay, now))

    # --- the network speaks (MessageReceiver) ----------------------------------------------

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """Give an answer to the attempt it belongs to; never raises for what it says."""
        read = code_and_branch(data)
        target = None if read is None else self._target_of(read[1])
        if read is None or target is None:
            self.counts.strangers += 1
            return
        code, branch = read
        transaction = target.transaction
        if transaction is None or not same_branch(transaction.branch, branch):
            self.counts.late_answers += 1
            return
        event = transaction.on_response(code, now)
        if event is TransactionEvent.FINAL:
            self._answered(target, transaction, code, data, now)
        elif event is TransactionEvent.PROVISIONAL:
            self.counts.provisional_answers += 1
            self._wheel.arm(target, transaction.deadline)

    # All by position: this is the hot path, and names cost time there.
    def _answered(
        self,
        target: ProbeTarget,
        transaction: NonInviteClientTransaction,
        code: int,
        data: bytes,
        now: float,
    ) -> None:
        """A final answer: the end of the attempt, unless it is a challenge that can be met."""
        self.counts.answers += 1
        settings = target.settings
        if settings.reliable and target.address is not None:
            settings.transport.settled(transaction.request, target.address)
        if code >= 400 and settings.identity.credentials is not None:
            if code not in CHALLENGES:
                # It may be what was proved, unasked, with an old nonce: it is asked for anew.
                self._challenges.forget(target)
            elif self._meets_challenge(target, transaction, data, now):
                return
        target.transaction = None
        delay = self._sink.answered(target, code, now - transaction.started, data)
        self._next(target, delay, now)

    def message_left(self, data: bytes, now: float) -> None:
        """A request that had to wait for its connection is on its way: its round trip begins."""
        transaction = self._transaction_of(data)
        if transaction is not None:
            transaction.started = now

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """End the attempt that ``data`` belongs to: the network said no."""
        transaction = self._transaction_of(data)
        target = None if transaction is None else self._target_of(transaction.branch)
        if transaction is None or target is None:
            return
        transaction.on_transport_error()
        self.counts.network_errors += 1
        self._end(target, kind, detail, now)

    def batch_finished(self) -> None:
        """All waiting datagrams have been handed over."""
        self._rearm()

    def _transaction_of(self, data: bytes) -> NonInviteClientTransaction | None:
        """The transaction under way that ``data`` is the request of."""
        branch = self._branches.within(data)
        target = self._target_of(branch)
        if target is None or target.transaction is None or target.transaction.branch != branch:
            return None
        return target.transaction

    def _target_of(self, branch: bytes) -> ProbeTarget | None:
        index = self._branches.index(branch)
        if index is None or not 0 <= index < len(self._targets):
            return None
        return self._targets[index]

"""The non-INVITE client transaction (RFC 3261 §17.1.2) as a table.

A request goes out once when the transaction is made, and again whenever Timer E fires: after 0.5,
1, 2, 4, 4, … seconds over UDP, never over a reliable transport. A provisional answer slows this to
every 4 seconds. The first final answer ends the wait; Timer K then absorbs its duplicates. Timer F
gives up. The transaction neither sends nor waits: its driver sends ``request`` once at the start
and on every RETRANSMIT, and calls ``on_deadline`` when ``deadline`` has come.

One object is made per probe, so the class is slotted and everything that all have in common is in
the table. All moments are monotonic seconds of the driver's clock.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from trunkpulse.sip.errors import IllegalEvent

__all__ = [
    "T1_SECONDS",
    "T2_SECONDS",
    "T4_SECONDS",
    "NonInviteClientTransaction",
    "Stimulus",
    "TransactionEvent",
    "TransactionState",
    "Transition",
    "transition_table",
]

T1_SECONDS = 0.5
"""Estimate of a round trip: the first retransmission."""
T2_SECONDS = 4.0
"""The longest interval between retransmissions."""
T4_SECONDS = 5.0
"""How long a duplicate may linger in the network: Timer K over UDP."""


class TransactionState(Enum):
    """Where a transaction is (RFC 3261 figure 6)."""

    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"

    __hash__ = object.__hash__  # Enum's own is written in Python, and every answer needs it


class Stimulus(Enum):
    """What can happen to a transaction."""

    TIMER_E = "Timer E"
    TIMER_F = "Timer F"
    TIMER_K = "Timer K"
    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TRANSPORT_ERROR = "transport error"

    __hash__ = object.__hash__


class TransactionEvent(Enum):
    """What a stimulus came to, and so what the driver does next."""

    NOTHING = "nothing is due yet"
    RETRANSMIT = "send the request again"
    TIMED_OUT = "no final answer came in time"
    TERMINATED = "forget the transaction"
    PROVISIONAL = "a provisional answer: keep waiting"
    FINAL = "the final answer"
    ABSORBED = "a duplicate after the final answer: ignore it"
    TRANSPORT_FAILED = "the request could not be sent"


class Transition(NamedTuple):
    """One row of the table."""

    state: TransactionState
    stimulus: Stimulus
    next_state: TransactionState
    event: TransactionEvent


_TRYING = TransactionState.TRYING
_PROCEEDING = TransactionState.PROCEEDING
_COMPLETED = TransactionState.COMPLETED
_TERMINATED = TransactionState.TERMINATED

_ROWS = (
    Transition(_TRYING, Stimulus.TIMER_E, _TRYING, TransactionEvent.RETRANSMIT),
    Transition(_TRYING, Stimulus.TIMER_F, _TERMINATED, TransactionEvent.TIMED_OUT),
    Transition(_TRYING, Stimulus.PROVISIONAL, _PROCEEDING, TransactionEvent.PROVISIONAL),
    Transition(_TRYING, Stimulus.FINAL, _COMPLETED, TransactionEvent.FINAL),
    Transition(_TRYING, Stimulus.TRANSPORT_ERROR, _TERMINATED, TransactionEvent.TRANSPORT_FAILED),
    Transition(_PROCEEDING, Stimulus.TIMER_E, _PROCEEDING, TransactionEvent.RETRANSMIT),
    Transition(_PROCEEDING, Stimulus.TIMER_F, _TERMINATED, TransactionEvent.TIMED_OUT),
    Transition(_PROCEEDING, Stimulus.PROVISIONAL, _PROCEEDING, TransactionEvent.PROVISIONAL),
    Transition(_PROCEEDING, Stimulus.FINAL, _COMPLETED, TransactionEvent.FINAL),
    Transition(
        _PROCEEDING, Stimulus.TRANSPORT_ERROR, _TERMINATED, TransactionEvent.TRANSPORT_FAILED
    ),
    Transition(_COMPLETED, Stimulus.PROVISIONAL, _COMPLETED, TransactionEvent.ABSORBED),
    Transition(_COMPLETED, Stimulus.FINAL, _COMPLETED, TransactionEvent.ABSORBED),
    # An ICMP error for an earlier retransmission may come after the answer; the answer counts.
    Transition(_COMPLETED, Stimulus.TRANSPORT_ERROR, _COMPLETED, TransactionEvent.ABSORBED),
    Transition(_COMPLETED, Stimulus.TIMER_K, _TERMINATED, TransactionEvent.TERMINATED),
)
_TABLE = {(row.state, row.stimulus): (row.next_state, row.event) for row in _ROWS}


def transition_table() -> tuple[Transition, ...]:
    """Every legal transition, for documentation and tests."""
    return _ROWS


class NonInviteClientTransaction:
    """One request and its way to a final answer, or to none.

    Until the final answer ``deadline`` is the next Timer E or Timer F, afterwards Timer K; after
    the end it means nothing. What the table has no row for raises ``IllegalEvent`` and changes
    nothing.
    """

    __slots__ = (
        "_interval",
        "_reliable",
        "branch",
        "deadline",
        "request",
        "started",
        "state",
        "timeout_at",
    )

    def __init__(
        self,
        request: bytes,
        branch: bytes,
        now: float,
        *,
        timeout_seconds: float = 64 * T1_SECONDS,
        reliable: bool = False,
    ) -> None:
        """``request`` is sent by the caller now; ``timeout_seconds`` is Timer F."""
        self.request = request
        self.branch = branch
        self.started = now
        self.state = _TRYING
        self._interval = T1_SECONDS
        self._reliable = reliable
        self.timeout_at = timeout_at = now + timeout_seconds
        """When Timer F fires."""
        self.deadline = (
            timeout_at if reliable or timeout_seconds <= T1_SECONDS else now + T1_SECONDS
        )

    def on_deadline(self, now: float) -> TransactionEvent:
        """What is due at ``now``; called late, Timer F goes before a retransmission."""
        state = self.state
        if state is not _TERMINATED and now < self.deadline:
            return TransactionEvent.NOTHING
        if state is _COMPLETED:
            return self._advance(Stimulus.TIMER_K)
        if now >= self.timeout_at:
            return self._advance(Stimulus.TIMER_F)
        event = self._advance(Stimulus.TIMER_E)
        doubled = self._interval * 2
        if state is _PROCEEDING or doubled > T2_SECONDS:
            doubled = T2_SECONDS
        self._interval = doubled
        following = self.deadline + doubled
        if following <= now:
            # The loop stalled: what was missed is not made up for, the far side gets no burst.
            following = now + doubled
        self.deadline = min(following, self.timeout_at)
        return event

    def on_response(self, code: int, now: float) -> TransactionEvent:
        """A response with this branch arrived; ``code`` is 100 to 699."""
        if code < 200:
            return self._advance(Stimulus.PROVISIONAL)
        event = self._advance(Stimulus.FINAL)
        if event is TransactionEvent.FINAL:
            self.deadline = now if self._reliable else now + T4_SECONDS
        return event

    def on_transport_error(self) -> TransactionEvent:
        """The request could not be sent, or was refused on its way."""
        return self._advance(Stimulus.TRANSPORT_ERROR)

    def _advance(self, stimulus: Stimulus) -> TransactionEvent:
        try:
            self.state, event = _TABLE[self.state, stimulus]
        except KeyError:
            raise IllegalEvent(
                f"a transaction that is {self.state.value} has no answer to {stimulus.value}"
            ) from None
        return event

"""The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026) as a table.

It is for whoever answers each INVITE at once, and never with a 2xx: a redirect server. So there is
no 100 to send (§17.2.1 asks for one only after 200 ms), and the state Accepted of RFC 6026, which
keeps a 2xx company, has no place here. What does come from RFC 6026 (§7.1) is that the table has no
row for a transport error: an answer that could not be sent leaves everything as it is, the timers
end the transaction, and until then an INVITE that comes again is not decided a second time.

The final answer is sent when it is given, and again whenever Timer G fires: after 0.5, 1, 2, 4, 4,
… seconds over UDP, never over a reliable transport. It is sent again at once to an INVITE that
comes again. The ACK ends that; Timer I then absorbs its stragglers, for 5 seconds over UDP and not
at all over a reliable transport. Timer H gives up on an ACK after 32 seconds.

The transaction neither sends nor waits: its driver sends ``answer`` once when it is given and on
every RESEND, and calls ``on_deadline`` when ``deadline`` has come. All moments are monotonic
seconds of the driver's clock.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from trunkpulse.sip.errors import IllegalEvent
from trunkpulse.sip.transaction import T1_SECONDS, T2_SECONDS, T4_SECONDS

__all__ = [
    "TIMER_H_SECONDS",
    "InviteEvent",
    "InviteServerTransaction",
    "InviteState",
    "InviteStimulus",
    "InviteTransition",
    "invite_transition_table",
]

TIMER_H_SECONDS = 64 * T1_SECONDS
"""How long an ACK is waited for."""


class InviteState(Enum):
    """Where a transaction is (RFC 3261 figure 7)."""

    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"

    __hash__ = object.__hash__  # Enum's own is written in Python, and every call needs it


class InviteStimulus(Enum):
    """What can happen to a transaction."""

    INVITE = "INVITE"
    FINAL = "300-699"
    ACK = "ACK"
    TIMER_G = "Timer G"
    TIMER_H = "Timer H"
    TIMER_I = "Timer I"

    __hash__ = object.__hash__


class InviteEvent(Enum):
    """What a stimulus came to, and so what the driver does next."""

    NOTHING = "nothing is due yet"
    ABSORBED = "a straggler: ignore it"
    ANSWERED = "send the answer"
    RESEND = "send the answer again"
    CONFIRMED = "the answer has arrived: it is not sent again"
    UNACKNOWLEDGED = "no ACK came in time: forget the transaction"
    TERMINATED = "forget the transaction"


class InviteTransition(NamedTuple):
    """One row of the table."""

    state: InviteState
    stimulus: InviteStimulus
    next_state: InviteState
    event: InviteEvent


_PROCEEDING = InviteState.PROCEEDING
_COMPLETED = InviteState.COMPLETED
_CONFIRMED = InviteState.CONFIRMED
_TERMINATED = InviteState.TERMINATED
_On = InviteStimulus

_ROWS = (
    InviteTransition(_PROCEEDING, _On.INVITE, _PROCEEDING, InviteEvent.ABSORBED),
    InviteTransition(_PROCEEDING, _On.FINAL, _COMPLETED, InviteEvent.ANSWERED),
    InviteTransition(_COMPLETED, _On.INVITE, _COMPLETED, InviteEvent.RESEND),
    InviteTransition(_COMPLETED, _On.TIMER_G, _COMPLETED, InviteEvent.RESEND),
    InviteTransition(_COMPLETED, _On.TIMER_H, _TERMINATED, InviteEvent.UNACKNOWLEDGED),
    InviteTransition(_COMPLETED, _On.ACK, _CONFIRMED, InviteEvent.CONFIRMED),
    InviteTransition(_CONFIRMED, _On.INVITE, _CONFIRMED, InviteEvent.ABSORBED),
    InviteTransition(_CONFIRMED, _On.ACK, _CONFIRMED, InviteEvent.ABSORBED),
    InviteTransition(_CONFIRMED, _On.TIMER_I, _TERMINATED, InviteEvent.TERMINATED),
)
_TABLE = {(row.state, row.stimulus): (row.next_state, row.event) for row in _ROWS}


def invite_transition_table() -> tuple[InviteTransition, ...]:
    """Every legal transition, for documentation and tests."""
    return _ROWS


class InviteServerTransaction:
    """One INVITE and its way from the final answer to the ACK, or to none.

    ``deadline`` is the next Timer G or Timer H until the ACK, afterwards Timer I; before the answer
    and after the end it means nothing. What the table has no row for raises ``IllegalEvent`` and
    changes nothing.
    """

    __slots__ = ("_interval", "_reliable", "answer", "deadline", "gives_up_at", "state")

    def __init__(self, now: float, *, reliable: bool) -> None:
        """The INVITE has just come, over a transport that is ``reliable`` or not."""
        self.state = _PROCEEDING
        self.answer = b""
        """What is sent; empty before it is known, and once it has arrived."""
        self._reliable = reliable
        self._interval = T1_SECONDS
        self.deadline = self.gives_up_at = now + TIMER_H_SECONDS
        """When Timer H fires; counted from the answer on."""

    def on_answer(self, answer: bytes, now: float) -> InviteEvent:
        """The final answer, 300 to 699, is ``answer``; the caller sends it now."""
        event = self._advance(_On.FINAL)
        self.answer = answer
        self.gives_up_at = now + TIMER_H_SECONDS
        self.deadline = self.gives_up_at if self._reliable else now + T1_SECONDS
        return event

    def on_invite(self) -> InviteEvent:
        """The same INVITE came again."""
        return self._advance(_On.INVITE)

    def on_ack(self, now: float) -> InviteEvent:
        """The ACK of the answer came."""
        event = self._advance(_On.ACK)
        if event is InviteEvent.CONFIRMED:
            self.answer = b""  # nobody needs it any more, and there may be very many
            self.deadline = now if self._reliable else now + T4_SECONDS
        return event

    def on_deadline(self, now: float) -> InviteEvent:
        """What is due at ``now``; called late, Timer H goes before another sending."""
        state = self.state
        if state is _PROCEEDING or (state is not _TERMINATED and now < self.deadline):
            return InviteEvent.NOTHING
        if state is _CONFIRMED:
            return self._advance(_On.TIMER_I)
        if now >= self.gives_up_at:
            event = self._advance(_On.TIMER_H)
            self.answer = b""
            return event
        event = self._advance(_On.TIMER_G)
        self._interval = min(2 * self._interval, T2_SECONDS)
        following = self.deadline + self._interval
        if following <= now:
            # The loop stalled: what was missed is not made up for, the far side gets no burst.
            following = now + self._interval
        self.deadline = min(following, self.gives_up_at)
        return event

    def _advance(self, stimulus: InviteStimulus) -> InviteEvent:
        try:
            self.state, event = _TABLE[self.state, stimulus]
        except KeyError:
            raise IllegalEvent(
                f"an INVITE that is {self.state.value} has no answer to {stimulus.value}"
            ) from None
        return event

"""Attempts that are more than one datagram each way, each in a transaction (RFC 3261 17.1.2).

That is whoever has no final answer by T1, and from the start whoever is asked over a connection or
proves who we are. The transaction says when to send again and when it is over; here is what it
takes from the target, the transport and the wheel.

A challenge (401, 407) that we have credentials for is part of the attempt: the request is sent once
more, authenticated, in a transaction of its own (22.2), within the time of the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkpulse.ports import Address, Obstacle
from trunkpulse.probing.challenges import CHALLENGES, Challenges
from trunkpulse.probing.outcomes import ProbeCounts
from trunkpulse.probing.requests import Requests, mark_of
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.transaction import NonInviteClientTransaction, TransactionEvent

__all__ = ["HALF_OF_ALL_CSEQS", "LARGEST_CSEQ", "Exchanges"]

LARGEST_CSEQ: Final = 0x7FFFFFFF
"""RFC 3261 8.1.1.5."""
HALF_OF_ALL_CSEQS: Final = 0x40000000
"""Who is so far ahead has not been told yet that numbers have begun anew."""


class Exchanges:
    """See the module's opening."""

    def __init__(
        self,
        requests: Requests,
        counts: ProbeCounts,
        arm: Callable[[ProbeTarget, float], None],
    ) -> None:
        """``arm`` lets a target have its next turn at a moment."""
        self._requests = requests
        self._counts = counts
        self._arm = arm
        self._challenges = Challenges()

    def begin(self, target: ProbeTarget, address: Address, now: float) -> None:
        """Send the first request of an attempt in a transaction of its own."""
        settings, mark = target.settings, mark_of(target)
        proof = b""
        if settings.identity.credentials is not None:
            proof = self._challenges.begin(target, mark)
        transaction = self._requests.transaction(
            target, now, settings.policy.timeout_seconds, first_mark=mark, proof=proof
        )
        self._transmit(target, transaction, address)

    def unfold(self, target: ProbeTarget) -> NonInviteClientTransaction:
        """The transaction of the attempt under way, such as it is."""
        transaction = target.transaction
        if transaction is None:
            transaction = target.transaction = self._requests.unfolded(target)
        return transaction

    def goes_on(self, target: ProbeTarget, now: float) -> bool:
        """The transaction's moment has come: True if it has another one, False if it is over."""
        transaction = self.unfold(target)
        event = transaction.on_deadline(now)
        if event is TransactionEvent.TIMED_OUT:
            return False
        self._arm(target, transaction.deadline)
        if event is TransactionEvent.RETRANSMIT and target.address is not None:
            self._counts.retransmissions += 1
            target.settings.transport.send(transaction.request, target.address)
        return True

    def answered(self, target: ProbeTarget, code: int, data: bytes, now: float) -> float | None:
        """Take in an answer: when its request left, if the attempt ends with it.

        None: it was provisional, or a challenge that can be met.
        """
        transaction = self.unfold(target)
        event = transaction.on_response(code, now)
        if event is TransactionEvent.PROVISIONAL:
            self._counts.provisional_answers += 1
            self._arm(target, transaction.deadline)
        if event is not TransactionEvent.FINAL:
            return None
        settings = target.settings
        if settings.reliable and target.address is not None:
            settings.transport.settled(transaction.request, target.address)
        if code >= 400 and settings.identity.credentials is not None:
            if code not in CHALLENGES:
                # It may be what was proved, unasked, with an old nonce: it is asked for anew.
                self._challenges.forget(target)
            elif self._meets_challenge(target, data, now):
                self._counts.answers += 1
                return None
        target.transaction = None
        return transaction.started

    def left(self, target: ProbeTarget, now: float) -> None:
        """The request had to wait for its connection: its round trip begins now."""
        self.unfold(target).started = now

    def refused(self, target: ProbeTarget) -> None:
        """The network has said no."""
        if target.transaction is not None:
            target.transaction.on_transport_error()

    def withdraw(self, target: ProbeTarget) -> Obstacle | None:
        """Tell the transport that nobody waits any more; why the request never left, if so."""
        transaction, settings = target.transaction, target.settings
        if transaction is None or target.address is None or not settings.reliable:
            return None
        return settings.transport.withdraw(transaction.request, target.address)

    def drop(self, target: ProbeTarget) -> None:
        """Nobody wants to know what comes of the attempt: no fault of its connection."""
        transaction, settings = target.transaction, target.settings
        if transaction is not None and target.address is not None and settings.reliable:
            settings.transport.settled(transaction.request, target.address)
        self.withdraw(target)  # if it has not left yet, it need not

    def forget(self, target: ProbeTarget) -> None:
        """The target is gone."""
        self._challenges.forget(target)

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        return self._challenges.problem(target)

    def _meets_challenge(self, target: ProbeTarget, data: bytes, now: float) -> bool:
        """Send the request once more, authenticated; False if the challenge is the last word."""
        seconds = target.started + target.settings.policy.timeout_seconds - now
        if target.address is None or seconds <= 0:
            return False
        proof = self._challenges.met(target, data, mark_of(target))
        if proof is None:
            return False
        self._counts.challenges += 1
        target.sequence = target.sequence + 1 & LARGEST_CSEQ
        first_mark = self._challenges.mark_of(target)
        transaction = self._requests.transaction(
            target, now, seconds, first_mark=first_mark, proof=proof
        )
        self._transmit(target, transaction, target.address)
        return True

    def _transmit(
        self, target: ProbeTarget, transaction: NonInviteClientTransaction, address: Address
    ) -> None:
        target.transaction = transaction
        target.awaiting = True
        self._arm(target, transaction.deadline)
        target.settings.transport.send(transaction.request, address)

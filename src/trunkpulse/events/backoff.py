"""When a delivery that failed is tried again, and when it is given up.

A failed delivery blocks its lane: newer events of the same trunk wait behind it, so that they
arrive in order. It is retried with exponential backoff and full jitter (thousands of deliveries
that failed together must not come back together) until it is five minutes old. Then it is
parked as a dead letter, because by now the trunk's newer state matters more than this one.

``Retry-After`` (RFC 9110 10.2.3) is the receiver's own word and is honoured beyond the five
minutes, up to an hour; the attempt that it asked for is then the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from trunkpulse.ports import Delivery, DeliveryOutcome, DeliveryReport, DeliveryResult, SinkAnswer

__all__ = ["RetrySchedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How patient a lane is with a delivery."""

    shortest_delay_seconds: float = 0.5
    """No retry comes sooner."""
    longest_delay_seconds: float = 30.0
    """No retry comes later, unless the receiver asks for it."""
    give_up_after_seconds: float = 300.0
    """Since the event was recorded; a failure from then on parks the delivery."""
    longest_retry_after_seconds: float = 3600.0
    """What is believed of a Retry-After."""

    def delay_seconds(self, attempts: int, rng: Random) -> float:
        """How long to wait after attempt number ``attempts``, counted from 1."""
        # Beyond 2**32 the ceiling is long reached; the bound keeps the float finite.
        ceiling = self.shortest_delay_seconds * 2.0 ** min(attempts, 32)
        return rng.uniform(
            self.shortest_delay_seconds,
            max(self.shortest_delay_seconds, min(ceiling, self.longest_delay_seconds)),
        )

    def report(
        self, delivery: Delivery, answer: SinkAnswer, *, now_ms: int, rng: Random
    ) -> DeliveryReport:
        """What follows from ``answer`` to ``delivery``, received at ``now_ms``."""
        result = self._result(delivery, answer, now_ms)
        return DeliveryReport(
            delivery_id=delivery.id,
            result=result,
            at_ms=now_ms,
            due_ms=(
                self._due_ms(delivery, answer, now_ms, rng)
                if result is DeliveryResult.RETRY
                else None
            ),
            detail=answer.detail,
        )

    def _result(self, delivery: Delivery, answer: SinkAnswer, now_ms: int) -> DeliveryResult:
        if answer.outcome is DeliveryOutcome.ACCEPTED:
            return DeliveryResult.DELIVERED
        if answer.outcome is DeliveryOutcome.REFUSED or now_ms >= self._gives_up_ms(delivery):
            return DeliveryResult.PARKED
        return DeliveryResult.RETRY

    def _due_ms(self, delivery: Delivery, answer: SinkAnswer, now_ms: int, rng: Random) -> int:
        delay_seconds = self.delay_seconds(delivery.attempts + 1, rng)
        # The last attempt is made when time is up, not up to a whole delay after that.
        due_ms = min(now_ms + round(delay_seconds * 1000), self._gives_up_ms(delivery))
        if answer.retry_after_seconds is None:
            return due_ms
        asked_seconds = min(answer.retry_after_seconds, self.longest_retry_after_seconds)
        return max(due_ms, now_ms + round(asked_seconds * 1000))

    def _gives_up_ms(self, delivery: Delivery) -> int:
        return delivery.created_ms + round(self.give_up_after_seconds * 1000)

"""When a delivery that failed is tried again, and when it is given up.

A failed delivery blocks its lane: newer events of the same trunk wait behind it, so that they
arrive in order. It is retried with exponential backoff and full jitter (thousands of deliveries
that failed together must not come back together) for five minutes. These count from its first
attempt: an event that waited for this process to come back has not been refused by anybody.

Then it is *parked*, because by now the trunk's newer state matters more than this one: newer
events pass, and the delivery is tried again after the pauses that Standard Webhooks 1.0 advises,
for three days in all. What fails even then, or is refused, is *dead*: given up for good.

A destination that says it is *gone* (HTTP 410) says so of itself and not of the delivery, which
waits while the stream is given up (``endurance``).

``Retry-After`` (RFC 9110 10.2.3) is the receiver's own word and is honoured beyond the five
minutes, up to an hour; the attempt that it asked for is then the last one before parking.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from trunkpulse.ports import Delivery, DeliveryOutcome, DeliveryReport, DeliveryResult, SinkAnswer

__all__ = ["RetrySchedule"]

_MINUTE = 60.0
_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How patient a lane is with a delivery."""

    shortest_delay_seconds: float = 0.5
    """No retry comes sooner."""
    longest_delay_seconds: float = 30.0
    """No retry of a delivery that others wait for comes later, unless the receiver asks for it."""
    park_after_seconds: float = 300.0
    """Since the first attempt; a failure from then on parks the delivery."""
    longest_retry_after_seconds: float = 3600.0
    """What is believed of a Retry-After."""
    parked_delays_seconds: tuple[float, ...] = (
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    )
    """The pauses of a parked delivery, one for each time that it is parked; then it is dead."""
    parked_spread: float = 0.1
    """A pause of a parked delivery is longer by a random share, up to this one."""

    def delay_seconds(self, attempts: int, rng: Random) -> float:
        """How long to wait after attempt number ``attempts``, counted from 1."""
        # Beyond 2**32 the ceiling is long reached; the bound keeps the float finite.
        ceiling = self.shortest_delay_seconds * 2.0 ** min(attempts, 32)
        return rng.uniform(
            self.shortest_delay_seconds,
            max(self.shortest_delay_seconds, min(ceiling, self.longest_delay_seconds)),
        )

    def report(
        self,
        delivery: Delivery,
        answer: SinkAnswer,
        *,
        now_ms: int,
        rng: Random,
        duration_ms: int = 0,
    ) -> DeliveryReport:
        """What follows from ``answer`` to ``delivery``, received at ``now_ms``."""
        result = self._result(delivery, answer, now_ms)
        return DeliveryReport(
            delivery_id=delivery.id,
            stream_id=delivery.stream_id,
            result=result,
            at_ms=now_ms,
            due_ms=self._due_ms(delivery, result, answer, now_ms, rng),
            detail=answer.detail,
            attempt=delivery.attempts + 1,
            duration_ms=duration_ms,
            request=answer.request,
            response=answer.response,
            gone=answer.outcome is DeliveryOutcome.GONE,
        )

    def _result(self, delivery: Delivery, answer: SinkAnswer, now_ms: int) -> DeliveryResult:
        if answer.outcome is DeliveryOutcome.ACCEPTED:
            return DeliveryResult.DELIVERED
        if answer.outcome is DeliveryOutcome.REFUSED:
            return DeliveryResult.DEAD
        if answer.outcome is DeliveryOutcome.GONE:
            return DeliveryResult.RETRY
        if delivery.times_parked >= len(self.parked_delays_seconds):
            return DeliveryResult.DEAD
        if delivery.times_parked or now_ms >= self._parks_ms(delivery, now_ms):
            return DeliveryResult.PARKED
        return DeliveryResult.RETRY

    def _due_ms(
        self,
        delivery: Delivery,
        result: DeliveryResult,
        answer: SinkAnswer,
        now_ms: int,
        rng: Random,
    ) -> int | None:
        if answer.outcome is DeliveryOutcome.GONE:
            due_ms = now_ms + round(self.longest_delay_seconds * 1000)
        elif result is DeliveryResult.RETRY:
            delay_seconds = self.delay_seconds(delivery.attempts + 1, rng)
            # The last attempt is made when time is up, not up to a whole delay after that.
            due_ms = min(now_ms + round(delay_seconds * 1000), self._parks_ms(delivery, now_ms))
        elif result is DeliveryResult.PARKED:
            pause_seconds = self.parked_delays_seconds[delivery.times_parked]
            due_ms = now_ms + round(pause_seconds * rng.uniform(1, 1 + self.parked_spread) * 1000)
        else:
            return None
        if answer.retry_after_seconds is None:
            return due_ms
        asked_seconds = min(answer.retry_after_seconds, self.longest_retry_after_seconds)
        return max(due_ms, now_ms + round(asked_seconds * 1000))

    def _parks_ms(self, delivery: Delivery, now_ms: int) -> int:
        first_ms = now_ms if delivery.first_attempt_ms is None else delivery.first_attempt_ms
        return first_ms + round(self.park_after_seconds * 1000)

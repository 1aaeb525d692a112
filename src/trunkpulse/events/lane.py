"""One stream's lane: from the outbox to the destination, at least once and in order per trunk.

    claim what is due -> send concurrently -> settle what ended -> sleep until more is due

Order per trunk needs no care here: the outbox only ever yields a trunk's oldest pending
delivery, and besides it those that are parked, which have lost their place. Nor does a crash: a
claim is a lease, and what was sent but not settled is sent again under the same event id.

What needs care is a database that goes away in between. A delivery stays *in flight* until its
end is recorded, and if its lease runs out meanwhile and it is claimed a second time, it is not
sent a second time. Nor may a stop wait for it: the deadline of a drain also interrupts a call to
the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

import structlog

from trunkpulse.events.asking import answer_to
from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.events.set_back import SetBack
from trunkpulse.ports import (
    Clock,
    Delivery,
    DeliveryReport,
    DeliveryResult,
    EventSink,
    Outbox,
    StoreUnavailable,
)

__all__ = ["LAST_SETTLE_SECONDS", "DeliveryLimits", "DeliveryProgress", "StreamDelivery"]

log = structlog.get_logger(__name__)

LONGEST_SLEEP_SECONDS = 30.0
"""An idle lane looks again: the wall clock may have been set, or another process have written."""
SHORTEST_SLEEP_SECONDS = 0.05
"""A lane that found nothing to claim, though something is due, does not spin on it."""
STORE_RETRY_SECONDS = (0.1, 5.0)
"""First and longest pause while the database is away."""
LAST_SETTLE_SECONDS = 0.5
"""What a drain has, beyond its deadline, to record how deliveries ended. A database may take as
long again to refuse a write that has begun: together they stay within a second."""

_UNWELCOME = {
    DeliveryResult.PARKED: "delivery.parked",
    DeliveryResult.DEAD: "delivery.dead",
}
"""The ends of an attempt that are worth a line in the log."""

Judge = Callable[[Sequence[DeliveryReport]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLimits:
    """What one stream may take of the process, and for how long it holds a delivery."""

    in_flight: int = 32
    """Deliveries sent, or waiting to be settled, at any one time."""
    send_seconds: float = 30.0
    """For a sink that does not keep its own, shorter deadline."""
    lease_seconds: float = 60.0
    """Longer than a send, so that a claim does not run out under it."""

    def __post_init__(self) -> None:
        if self.lease_seconds <= self.send_seconds:
            raise ValueError(
                f"lease_seconds is {self.lease_seconds:g} and must be above send_seconds, "
                f"which is {self.send_seconds:g}: a claim must not run out under a send"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryProgress:
    """What a lane has done since it started: a snapshot for metrics."""

    delivered: int
    retried: int
    parked: int
    dead: int
    in_flight: int
    last_error: str | None
    """What the destination said when it last failed; None once a delivery is accepted."""


@dataclass(frozen=True, slots=True)
class _Sending:
    """A delivery in flight."""

    task: asyncio.Task[None]
    attempt: int


class StreamDelivery:
    """One stream's lane. `run` it once, in a task; `wake` it after each commit."""

    def __init__(
        self,
        stream_id: str,
        sink: EventSink,
        *,
        outbox: Outbox,
        clock: Clock,
        rng: Random,
        schedule: RetrySchedule | None = None,
        limits: DeliveryLimits | None = None,
        judge: Judge | None = None,
    ) -> None:
        """``judge`` hears of attempts once they are recorded, and may then drain the lane."""
        self._stream_id = stream_id
        self._sink = sink
        self._outbox = outbox
        self._clock = clock
        self._rng = rng
        self._schedule = schedule or RetrySchedule()
        self._limits = limits or DeliveryLimits()
        self._judge = judge
        self._set_back = SetBack(clock)
        self._stirred = asyncio.Event()
        """Set by everything that the loop should look at."""
        self._in_flight: dict[int, _Sending] = {}
        self._ended: list[DeliveryReport] = []
        """Ends of deliveries in flight that are not recorded yet."""
        self._drain_deadline: float | None = None
        """Moment of the loop's time; None while the lane claims."""
        self._claiming: asyncio.Timeout | None = None
        """What ends the loop if it still waits for the outbox at that moment."""
        self._settles_last = True
        """False once a caller of drain has taken it on to settle what is left."""
        self._store_pause_seconds = 0.0
        """Above zero while the database is away."""
        self._counts = dict.fromkeys(DeliveryResult, 0)
        self._last_error: str | None = None

    @property
    def progress(self) -> DeliveryProgress:
        return DeliveryProgress(
            delivered=self._counts[DeliveryResult.DELIVERED],
            retried=self._counts[DeliveryResult.RETRY],
            parked=self._counts[DeliveryResult.PARKED],
            dead=self._counts[DeliveryResult.DEAD],
            in_flight=len(self._in_flight),
            last_error=self._last_error,
        )

    def wake(self) -> None:
        """The outbox may hold something new for this stream."""
        self._stirred.set()

    @property
    def unsettled(self) -> list[DeliveryReport]:
        """How deliveries ended, as far as the outbox has not been told."""
        return list(self._ended)

    def drain(self, deadline_seconds: float, *, settle: bool = True) -> None:
        """Claim nothing more, and end `run` when all in flight has ended and is settled.

        What is still being sent after ``deadline_seconds`` is interrupted and falls due again.
        Of several deadlines the earliest holds. Without ``settle``, what is not settled by then
        is left in `unsettled` to the caller.
        """
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        self._drain_deadline = min(deadline, self._drain_deadline or deadline)
        self._settles_last = self._settles_last and settle
        if self._claiming is not None and not self._claiming.expired():
            self._claiming.reschedule(self._drain_deadline)
        self._stirred.set()

    async def run(self) -> None:
        """Deliver until drained or cancelled; a claim that is cancelled outlasts its lease."""
        async with asyncio.TaskGroup() as sends:
            await self._claim_until_drained(sends)
            await self._finish()

    async def _claim_until_drained(self, sends: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout_at(self._drain_deadline) as self._claiming:
                while self._drain_deadline is None:
                    self._stirred.clear()
                    try:
                        await self._settle_and_judge()
                        await self._set_back.make_up(self._outbox, self._stream_id)
                        await self._claim(sends)
                        await self._rest()
                    except StoreUnavailable as problem:
                        self._note_store_lost(problem)
                        await self._drained_within(self._store_pause_seconds)
        except TimeoutError:
            if self._claiming is None or not self._claiming.expired():
                raise
        finally:
            self._claiming = None

    async def _claim(self, sends: asyncio.TaskGroup) -> None:
        """Send what is due, as far as there is room."""
        capacity = self._limits.in_flight - len(self._in_flight)
        if not capacity:
            return
        claimed = await self._outbox.claim(
            self._stream_id,
            now_ms=self._now_ms(),
            limit=capacity,
            lease_ms=round(self._limits.lease_seconds * 1000),
        )
        for delivery in claimed:
            if delivery.id not in self._in_flight:
                task = sends.create_task(self._send(delivery))
                self._in_flight[delivery.id] = _Sending(task, delivery.attempts + 1)
        self._note_store_regained()

    async def _rest(self) -> None:
        """Until something stirs, or until there is more to claim."""
        # While there is much to do something stirs sooner, and the outbox need not be asked.
        await self._stirred_within(SHORTEST_SLEEP_SECONDS)
        if self._stirred.is_set():
            return
        seconds = LONGEST_SLEEP_SECONDS
        if len(self._in_flight) < self._limits.in_flight:  # else the next end stirs the loop
            due_ms = await self._outbox.next_due_ms(self._stream_id)
            if due_ms is not None:
                seconds = min(max(0.0, (due_ms - self._now_ms()) / 1000), seconds)
        await self._stirred_within(seconds)

    async def _send(self, delivery: Delivery) -> None:
        started = self._clock.monotonic()
        answer = await answer_to(
            lambda: self._sink.deliver(delivery),
            within_seconds=self._limits.send_seconds,
            stream=self._stream_id,
            trunk=delivery.trunk_id,
            event_id=delivery.event_id,
        )
        report = self._schedule.report(
            delivery,
            answer,
            now_ms=self._now_ms(),
            rng=self._rng,
            duration_ms=round((self._clock.monotonic() - started) * 1000),
        )
        accepted = report.result is DeliveryResult.DELIVERED
        self._last_error = None if accepted else report.detail
        if report.result in _UNWELCOME:
            log.warning(
                _UNWELCOME[report.result],
                stream=self._stream_id,
                trunk=delivery.trunk_id,
                event_id=delivery.event_id,
                attempts=delivery.attempts + 1,
                problem=report.detail,
            )
        self._ended.append(report)
        self._stirred.set()

    async def _settle_and_judge(self) -> None:
        settled = await self._settle()
        if settled and self._judge is not None:
            await self._judge(settled)

    async def _settle(self) -> Sequence[DeliveryReport]:
        """Record what ended, all of it in one transaction; raises StoreUnavailable."""
        batch = list(self._ended)
        if not batch:
            return batch
        await self._outbox.settle(batch)
        del self._ended[: len(batch)]  # what ended meanwhile was appended
        for report in batch:
            del self._in_flight[report.delivery_id]
            self._counts[report.result] += 1
        return batch

    async def _finish(self) -> None:
        """Let what is in flight end, as long as the drain's deadline allows, and settle it."""
        assert self._drain_deadline is not None
        now = asyncio.get_running_loop().time
        while len(self._ended) < len(self._in_flight):
            left_seconds = self._drain_deadline - now()  # a second drain may have shortened it
            if left_seconds <= 0:
                await self._interrupt()
                break
            self._stirred.clear()
            await self._stirred_within(left_seconds)
        if not self._settles_last:
            return
        try:
            async with asyncio.timeout(LAST_SETTLE_SECONDS):
                await self._settle()
        except (TimeoutError, StoreUnavailable) as problem:
            # Not lost: these claims run out, and the deliveries are made again.
            log.warning(
                "delivery.unsettled",
                stream=self._stream_id,
                deliveries=len(self._ended),
                problem=str(problem) or "no answer in time",
            )

    async def _interrupt(self) -> None:
        """Give up the sends that are still under way, so that they fall due again at once."""
        interrupted = [each.task for each in self._in_flight.values() if not each.task.done()]
        for task in interrupted:
            task.cancel()
        await asyncio.wait(interrupted)
        ended = {report.delivery_id for report in self._ended}
        now_ms = self._now_ms()
        self._ended.extend(
            DeliveryReport(
                delivery_id=delivery_id,
                stream_id=self._stream_id,
                result=DeliveryResult.RETRY,
                at_ms=now_ms,
                due_ms=now_ms,
                detail="interrupted: the stream was stopped",
                attempt=sending.attempt,
            )
            for delivery_id, sending in self._in_flight.items()
            if delivery_id not in ended
        )

    def _note_store_lost(self, problem: StoreUnavailable) -> None:
        first_seconds, longest_seconds = STORE_RETRY_SECONDS
        if not self._store_pause_seconds:
            log.error("delivery.store_unavailable", stream=self._stream_id, problem=str(problem))
        self._store_pause_seconds = min(
            max(first_seconds, self._store_pause_seconds * 2), longest_seconds
        )

    def _note_store_regained(self) -> None:
        if self._store_pause_seconds:
            self._store_pause_seconds = 0.0
            log.info("delivery.store_available", stream=self._stream_id)

    async def _stirred_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _drained_within(self, seconds: float) -> None:
        """Sleep through everything but the call to drain: a lost database is not hurried."""
        until = asyncio.get_running_loop().time() + seconds
        while self._drain_deadline is None:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self._stirred.clear()
            await self._stirred_within(left)

    def _now_ms(self) -> int:
        return round(self._clock.wall() * 1000)

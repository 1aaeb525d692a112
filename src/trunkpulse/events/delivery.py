"""Brings the outbox's deliveries to their destinations, at least once and in order per trunk.

Each stream has a lane of its own, so a receiver that is slow or dead delays nobody else:

    claim what is due -> send concurrently -> settle what ended -> sleep until more is due

Order per trunk needs no care here: the outbox only ever yields a trunk's oldest pending
delivery. Nor does a crash: a claim is a lease, and what was sent but not settled is sent again
under the same event id. What needs care is a database that goes away in between. A delivery
stays *in flight* until its end is recorded, and if its lease runs out meanwhile and it is
claimed a second time, it is not sent a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import structlog

from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Clock,
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    EventSink,
    Outbox,
    SinkAnswer,
    StoreUnavailable,
)

__all__ = ["Deliveries", "DeliveryLimits", "DeliveryProgress", "StreamDelivery"]

log = structlog.get_logger(__name__)

LONGEST_SLEEP_SECONDS = 30.0
"""An idle lane looks again: the wall clock may have been set, or another process have written."""
SHORTEST_SLEEP_SECONDS = 0.05
"""A lane that found nothing to claim, though something is due, does not spin on it."""
STORE_RETRY_SECONDS = (0.1, 5.0)
"""First and longest pause while the database is away."""
LAST_SETTLE_SECONDS = 1.0
"""What a drained lane has, beyond its deadline, to record how its deliveries ended."""


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
    in_flight: int
    last_error: str | None
    """What the destination said when it last failed; None once a delivery is accepted."""


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
    ) -> None:
        self._stream_id = stream_id
        self._sink = sink
        self._outbox = outbox
        self._clock = clock
        self._rng = rng
        self._schedule = schedule or RetrySchedule()
        self._limits = limits or DeliveryLimits()
        self._stirred = asyncio.Event()
        """Set by everything that the loop should look at."""
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._ended: list[DeliveryReport] = []
        """Ends of deliveries in flight that are not recorded yet."""
        self._drain_deadline: float | None = None
        """Moment of the loop's time; None while the lane claims."""
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
            in_flight=len(self._in_flight),
            last_error=self._last_error,
        )

    def wake(self) -> None:
        """The outbox may hold something new for this stream."""
        self._stirred.set()

    def drain(self, deadline_seconds: float) -> None:
        """Claim nothing more, and end `run` when all in flight is settled.

        What is still being sent after ``deadline_seconds`` is interrupted and falls due again.
        Of several deadlines the earliest holds.
        """
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        self._drain_deadline = min(deadline, self._drain_deadline or deadline)
        self._stirred.set()

    async def run(self) -> None:
        """Deliver until drained or cancelled; a claim that is cancelled outlasts its lease."""
        async with asyncio.TaskGroup() as sends:
            while self._drain_deadline is None:
                self._stirred.clear()
                try:
                    await self._settle()
                    await self._stirred_within(await self._claim(sends))
                except StoreUnavailable as problem:
                    self._note_store_lost(problem)
                    await self._drained_within(self._store_pause_seconds)
            await self._finish()

    async def _claim(self, sends: asyncio.TaskGroup) -> float:
        """Send what is due. Returns for how many seconds there is nothing more to claim."""
        capacity = self._limits.in_flight - len(self._in_flight)
        if not capacity:
            return LONGEST_SLEEP_SECONDS  # the next send that ends stirs the loop
        claimed = await self._outbox.claim(
            self._stream_id,
            now_ms=self._now_ms(),
            limit=capacity,
            lease_ms=round(self._limits.lease_seconds * 1000),
        )
        for delivery in claimed:
            if delivery.id not in self._in_flight:
                self._in_flight[delivery.id] = sends.create_task(self._send(delivery))
        self._note_store_regained()
        if len(self._in_flight) >= self._limits.in_flight:
            return LONGEST_SLEEP_SECONDS
        due_ms = await self._outbox.next_due_ms(self._stream_id)
        if due_ms is None:
            return LONGEST_SLEEP_SECONDS
        due_seconds = (due_ms - self._now_ms()) / 1000
        return min(max(due_seconds, SHORTEST_SLEEP_SECONDS), LONGEST_SLEEP_SECONDS)

    async def _send(self, delivery: Delivery) -> None:
        deadline_seconds = self._limits.send_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                answer = await self._sink.deliver(delivery)
        except TimeoutError:
            answer = SinkAnswer(
                outcome=DeliveryOutcome.TRY_LATER,
                detail=f"no answer within {deadline_seconds:g} seconds",
            )
        report = self._schedule.report(delivery, answer, now_ms=self._now_ms(), rng=self._rng)
        accepted = report.result is DeliveryResult.DELIVERED
        self._last_error = None if accepted else report.detail
        if report.result is DeliveryResult.PARKED:
            log.warning(
                "delivery.parked",
                stream=self._stream_id,
                trunk=delivery.trunk_id,
                event_id=delivery.event_id,
                attempts=delivery.attempts + 1,
                problem=report.detail,
            )
        self._ended.append(report)
        self._stirred.set()

    async def _settle(self) -> None:
        """Record what ended, all of it in one transaction; raises StoreUnavailable."""
        batch = list(self._ended)
        if not batch:
            return
        await self._outbox.settle(batch)
        del self._ended[: len(batch)]  # what ended meanwhile was appended
        for report in batch:
            del self._in_flight[report.delivery_id]
            self._counts[report.result] += 1

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
        try:
            async with asyncio.timeout(LAST_SETTLE_SECONDS):
                await self._settle()
        except (TimeoutError, StoreUnavailable) as problem:
            # Not lost: these claims run out, and the deliveries are made again.
            log.warning(
                "delivery.unsettled",
                stream=self._stream_id,
                deliveries=len(self._ended),
                problem=str(problem),
            )

    async def _interrupt(self) -> None:
        """Give up the sends that are still under way, so that they fall due again at once."""
        interrupted = [task for task in self._in_flight.values() if not task.done()]
        for task in interrupted:
            task.cancel()
        await asyncio.wait(interrupted)
        ended = {report.delivery_id for report in self._ended}
        now_ms = self._now_ms()
        self._ended.extend(
            DeliveryReport(
                delivery_id=delivery_id,
                result=DeliveryResult.RETRY,
                at_ms=now_ms,
                due_ms=now_ms,
                detail="interrupted: the stream was stopped",
            )
            for delivery_id in self._in_flight
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


@dataclass(frozen=True, slots=True, eq=False)
class _Lane:
    """A stream as it was when its delivery was started."""

    stream: EventStream
    delivery: StreamDelivery


class Deliveries:
    """Runs a lane for each enabled stream, as tasks of the group that it is given."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        outbox: Outbox,
        sink_for: Callable[[EventStream], EventSink],
        clock: Clock,
        rng: Random,
        schedule: RetrySchedule | None = None,
        limits: DeliveryLimits | None = None,
    ) -> None:
        self._tasks = tasks
        self._outbox = outbox
        self._sink_for = sink_for
        self._clock = clock
        self._rng = rng
        self._schedule = schedule or RetrySchedule()
        self._limits = limits or DeliveryLimits()
        self._lanes: dict[str, _Lane] = {}
        """By stream id, those that claim."""
        self._running: dict[_Lane, asyncio.Task[None]] = {}
        """These and the ones that are on their way out."""

    async def apply(self, streams: Iterable[EventStream]) -> None:
        """From now on, deliver to these streams and to no others.

        A stream that has not changed is not disturbed. One that has changed or is now disabled
        finishes what it is sending first; one that is gone is stopped at once. Raises what
        ``sink_for`` raises for a destination that it cannot serve, and then nothing is changed.
        The outbox is not told: its ``sync_streams`` is the caller's.
        """
        known = {stream.id: stream for stream in streams}
        enabled = {stream.id: stream for stream in known.values() if stream.enabled}
        kept = {id_ for id_, lane in self._lanes.items() if enabled.get(id_) == lane.stream}
        async with AsyncExitStack() as undo:
            sinks: dict[str, EventSink] = {}
            for stream_id in enabled.keys() - kept:
                sinks[stream_id] = self._sink_for(enabled[stream_id])
                undo.push_async_callback(sinks[stream_id].close)
            undo.pop_all()
        for stream_id in self._lanes.keys() - kept:
            self._lanes.pop(stream_id).delivery.drain(self._limits.send_seconds)
        for lane in self._running:
            if lane.stream.id not in known:
                lane.delivery.drain(0)
        for stream_id, sink in sinks.items():
            self._start(enabled[stream_id], sink)

    def wake(self, stream_ids: Iterable[str]) -> None:
        """The outbox holds something new for these streams; unknown ones are passed over."""
        for stream_id in stream_ids:
            lane = self._lanes.get(stream_id)
            if lane is not None:
                lane.delivery.wake()

    def progress(self) -> dict[str, DeliveryProgress]:
        """By stream id; counted from the last time that the stream was changed."""
        return {stream_id: lane.delivery.progress for stream_id, lane in self._lanes.items()}

    async def drain(self, deadline_seconds: float) -> None:
        """Stop claiming everywhere, let sends end for at most ``deadline_seconds``, settle.

        Returns when every lane has ended; call nothing else after it.
        """
        self._lanes.clear()
        running = dict(self._running)
        for lane in running:
            lane.delivery.drain(deadline_seconds)
        if running:
            await asyncio.wait(running.values())

    def _start(self, stream: EventStream, sink: EventSink) -> None:
        delivery = StreamDelivery(
            stream.id,
            sink,
            outbox=self._outbox,
            clock=self._clock,
            rng=self._rng,
            schedule=self._schedule,
            limits=self._limits,
        )
        lane = _Lane(stream, delivery)
        # Two lanes of one stream at once would break the order: the new one waits its turn.
        earlier = [task for other, task in self._running.items() if other.stream.id == stream.id]
        task = self._tasks.create_task(
            _serve(delivery, sink, earlier), name=f"deliver to {stream.id}"
        )
        self._lanes[stream.id] = lane
        self._running[lane] = task
        task.add_done_callback(lambda _: self._running.pop(lane, None))


async def _serve(
    delivery: StreamDelivery, sink: EventSink, earlier: Collection[asyncio.Task[None]]
) -> None:
    try:
        if earlier:
            await asyncio.wait(earlier)
        await delivery.run()
    finally:
        await sink.close()

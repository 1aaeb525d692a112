"""Runs the lanes: one for each stream that is sent to, so that a slow receiver delays nobody else.

Streams come, change and go while the process runs; a lane is never changed, but drained and
replaced. At the stop all lanes are drained together, and how their deliveries ended is settled
in one transaction by one deadline: with a database that is locked, a settlement for each lane
would take as many times as long as there are streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random

import structlog

from trunkpulse.events.alert_book import AlertGrounds
from trunkpulse.events.alert_farewell import (
    has_alerts_to_close,
    open_alerts,
    resolve,
    say_left_open,
)
from trunkpulse.events.alert_lane import AlertDelivery
from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.events.endurance import Endurance
from trunkpulse.events.lane import (
    LAST_SETTLE_SECONDS,
    DeliveryLimits,
    DeliveryProgress,
    StreamDelivery,
)
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    AlertSink,
    Clock,
    DeliveryReport,
    DestinationInvalid,
    EventSink,
    Outbox,
    StoreUnavailable,
    StreamHealth,
)

__all__ = ["Deliveries", "DeliveryLimits", "DeliveryProgress", "StreamDelivery"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Lane:
    """A stream as it was when its delivery was started."""

    stream: EventStream
    delivery: StreamDelivery | AlertDelivery
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is sent any more; what it was sent through may still have to be closed."""


class Deliveries:
    """Runs a lane for each stream that is neither off nor paused nor given up, as a task."""

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
        endurance: Endurance | None = None,
        grounds: AlertGrounds | None = None,
    ) -> None:
        """``endurance`` says which streams are given up; without it none ever is.

        ``grounds`` are what alerts go by; without them every event is sent by itself.
        """
        self._tasks = tasks
        self._outbox = outbox
        self._sink_for = sink_for
        self._clock = clock
        self._rng = rng
        self._schedule = schedule or RetrySchedule()
        self._limits = limits or DeliveryLimits()
        self._endurance = endurance
        self._grounds = grounds
        self._streams: dict[str, EventStream] = {}
        """By id, all that there are."""
        self._lanes: dict[str, _Lane] = {}
        """By stream id, those that claim."""
        self._running: dict[_Lane, asyncio.Task[None]] = {}
        """These and the ones that are on their way out."""
        self.held = False
        """True: nothing is delivered to anybody, and all of it waits, as if all were paused."""

    async def hold(self, *, held: bool) -> None:
        """Deliver nothing from now on, or go on with what has waited; raises as `apply` does."""
        before, self.held = self.held, held
        try:
            await self.apply(list(self._streams.values()))
        except BaseException:
            self.held = before
            raise

    async def apply(self, streams: Iterable[EventStream]) -> None:
        """From now on, deliver to these streams and to no others.

        A stream that has not changed is not disturbed. One that has changed, is paused or is now
        disabled finishes what it is sending first; one that is gone is stopped at once. One that
        had been given up begins anew if its destination has changed. Raises what ``sink_for``
        raises for a destination that it cannot serve, and then nothing is changed. The outbox is
        not told: its ``sync_streams`` is the caller's.
        """
        known = {stream.id: stream for stream in streams}
        enabled = {
            stream.id: stream
            for stream in known.values()
            if stream.enabled and not stream.paused and not self._is_given_up(stream)
        }
        kept = {id_ for id_, lane in self._lanes.items() if enabled.get(id_) == lane.stream}
        if self.held:
            kept = set()
        async with AsyncExitStack() as undo:
            sinks: dict[str, EventSink] = {}
            for stream_id in enabled.keys() - kept:
                sinks[stream_id] = self._sink_for(enabled[stream_id])
                undo.push_async_callback(sinks[stream_id].close)
            await self._begin_anew(known)
            undo.pop_all()
        self._streams = known
        for stream_id in self._lanes.keys() - kept:
            self._lanes.pop(stream_id).delivery.drain(self._limits.send_seconds)
        for lane in self._running:
            if lane.stream.id not in known:
                lane.delivery.drain(0)
        for stream_id, sink in sinks.items():
            if self.held:
                await sink.close()
            else:
                self._start(enabled[stream_id], sink)

    async def check(self, stream: EventStream) -> None:
        """Raises what ``sink_for`` raises for a destination that it cannot serve."""
        await self._sink_for(stream).close()

    async def enable(self, stream_id: str) -> bool:
        """Send again what waits for a stream that was given up; False if it was not.

        Raises StoreUnavailable, and what ``sink_for`` raises.
        """
        if self._endurance is None or not self._endurance.is_disabled(stream_id):
            return False
        await self._endurance.forgive(stream_id)
        await self.apply(list(self._streams.values()))
        return True

    async def part_from(self, stream: EventStream) -> None:
        """End what is sent to a stream that is about to be deleted, and resolve its open alerts.

        With one attempt at each, within ``FAREWELL_SECONDS``; the log says which stay open. Nothing
        more is delivered to it until `apply` is called. Raises StoreUnavailable.
        """
        if self._grounds is None or not has_alerts_to_close(stream):
            return
        self._lanes.pop(stream.id, None)
        running = {
            lane: task for lane, task in self._running.items() if lane.stream.id == stream.id
        }
        for lane in running:
            lane.delivery.drain(0)
        if running:
            await asyncio.wait(running.values())
        now_ms = round(self._clock.wall() * 1000)
        left = await open_alerts(stream, store=self._grounds.store, now_ms=now_ms)
        if not left:
            return
        try:
            sink = self._sink_for(stream)
        except DestinationInvalid as invalid:
            problem = str(invalid)
        else:
            try:
                assert isinstance(sink, AlertSink)
                left, problem = await resolve(left, sink)
            finally:
                await sink.close()
        if left:
            say_left_open(stream, left, problem)

    def health(self) -> Mapping[str, StreamHealth]:
        """Of streams whose destinations do nothing but fail, by id."""
        return {} if self._endurance is None else self._endurance.health()

    def wake(self, stream_ids: Iterable[str]) -> None:
        """The outbox holds something new for these streams; unknown ones are passed over."""
        for stream_id in stream_ids:
            lane = self._lanes.get(stream_id)
            if lane is not None:
                lane.delivery.wake()

    def trunks_changed(self) -> None:
        """Other trunks are configured than before, and all of them are known."""
        for lane in self._lanes.values():
            if isinstance(lane.delivery, AlertDelivery):
                lane.delivery.trunks_changed()

    def maintenance_changed(self) -> None:
        """Other maintenance is planned than before."""
        for lane in self._lanes.values():
            if isinstance(lane.delivery, AlertDelivery):
                lane.delivery.maintenance_changed()

    def progress(self) -> dict[str, DeliveryProgress]:
        """By stream id; counted from the last time that the stream was changed."""
        return {stream_id: lane.delivery.progress for stream_id, lane in self._lanes.items()}

    async def drain(self, deadline_seconds: float) -> None:
        """Stop claiming everywhere, let sends end for at most ``deadline_seconds``, settle.

        Returns when every lane has ended, at most a second after that deadline however many
        they are and whatever the database does; call nothing else after it.
        """
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        self._lanes.clear()
        running = dict(self._running)
        for lane in running:
            lane.delivery.drain(deadline_seconds, settle=False)
        for lane in running:
            await lane.ended.wait()
        # Not after sinks are closed: a broker that says nothing would take the time for this.
        await self._settle_last(list(running), deadline + LAST_SETTLE_SECONDS)
        if running:
            await asyncio.wait(running.values())

    async def _settle_last(self, lanes: Sequence[_Lane], deadline: float) -> None:
        """Record how the last deliveries of all these ended; ``deadline`` is by the loop's time."""
        ended = [report for lane in lanes for report in lane.delivery.unsettled]
        if not ended:
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self._outbox.settle(ended)
        except (TimeoutError, StoreUnavailable) as problem:
            # Not lost: these claims are given back at the next start.
            log.warning(
                "delivery.unsettled",
                streams=len(lanes),
                deliveries=len(ended),
                problem=str(problem) or "no answer in time",
            )

    def _start(self, stream: EventStream, sink: EventSink) -> None:
        lane = _Lane(stream, self._delivery(stream, sink))
        # Two lanes of one stream at once would break the order: the new one waits its turn.
        earlier = [other for other in self._running if other.stream.id == stream.id]
        task = self._tasks.create_task(_serve(lane, sink, earlier), name=f"deliver to {stream.id}")
        self._lanes[stream.id] = lane
        self._running[lane] = task
        task.add_done_callback(lambda _: self._forget(lane))

    def _forget(self, lane: _Lane) -> None:
        self._running.pop(lane, None)
        lane.ended.set()  # one that is cancelled before its first step has not said so

    def _delivery(self, stream: EventStream, sink: EventSink) -> StreamDelivery | AlertDelivery:
        if self._grounds is not None and stream.alerts is not None and isinstance(sink, AlertSink):
            return AlertDelivery(
                stream,
                sink,
                grounds=self._grounds,
                outbox=self._outbox,
                clock=self._clock,
                rng=self._rng,
                schedule=self._schedule,
                limits=self._limits,
                judge=partial(self._judge, stream),
            )
        return StreamDelivery(
            stream.id,
            sink,
            outbox=self._outbox,
            clock=self._clock,
            rng=self._rng,
            schedule=self._schedule,
            limits=self._limits,
            judge=partial(self._judge, stream),
        )

    def _is_given_up(self, stream: EventStream) -> bool:
        if self._endurance is None or not self._endurance.is_disabled(stream.id):
            return False
        before = self._streams.get(stream.id)
        return before is None or before.destination == stream.destination

    async def _begin_anew(self, known: Mapping[str, EventStream]) -> None:
        """Forget what was held against streams that are gone or lead elsewhere now."""
        if self._endurance is None:
            return
        self._endurance.keep_only(known.keys())
        for stream_id in list(self._endurance.health()):
            stream, before = known.get(stream_id), self._streams.get(stream_id)
            if stream and before and stream.destination != before.destination:
                await self._endurance.forgive(stream_id)

    async def _judge(self, stream: EventStream, reports: Sequence[DeliveryReport]) -> None:
        if self._endurance is None:
            return
        if await self._endurance.judge(stream, reports, self._streams.values):
            lane = self._lanes.get(stream.id)
            if lane is not None and lane.stream == stream:
                self._lanes.pop(stream.id).delivery.drain(self._limits.send_seconds)


async def _serve(lane: _Lane, sink: EventSink, earlier: Collection[_Lane]) -> None:
    try:
        for other in earlier:
            await other.ended.wait()
        await lane.delivery.run()
    finally:
        lane.ended.set()
        try:
            await sink.close()
        except Exception:
            # As with what its deliver raises: a defect in one sink must not end the node.
            log.exception("delivery.sink_failed", stream=lane.stream.id)

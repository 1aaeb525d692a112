"""The lane of a stream that wakes people: from the outbox, through its alerts, to the destination.

    claim what is due -> learn it -> keep the alerts -> settle
    an alert falls due -> keep that it is told -> tell it -> keep that it was taken

Events are taken in as they come, hundreds at a time, whatever the destination does: an alert shall
say how things are when it is told. What they change is in the store before they are settled, and
an event that is taken in twice changes nothing; so between the outbox and the alerts none is lost.
An alert is told until it is taken, under the same id, over restarts: so none is lost there either.
What was said on each attempt is put into the log of deliveries beside that (``alert_attempts``).

What is not about a trunk's state (a prober that isolates itself, a stream that is disabled) has
no group to wait for, and is sent by itself, while others are taken in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Protocol

import structlog

from trunkpulse.events.alert_attempts import INTERRUPTED, AttemptLog
from trunkpulse.events.alert_book import PER_TURN, AlertBook, AlertGrounds
from trunkpulse.events.asking import answer_to
from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.events.envelope import EVENT_TYPE
from trunkpulse.events.lane import (
    LAST_SETTLE_SECONDS,
    LONGEST_SLEEP_SECONDS,
    SHORTEST_SLEEP_SECONDS,
    STORE_RETRY_SECONDS,
    DeliveryLimits,
    DeliveryProgress,
)
from trunkpulse.events.prober_envelope import event_type_of
from trunkpulse.events.set_back import SetBack
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Alert,
    AlertSink,
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

__all__ = ["AlertDelivery", "AlertingSink"]

log = structlog.get_logger(__name__)

CLAIMED_AT_ONCE = 500
TOLD_AT_ONCE = 8
SENT_AT_ONCE = 8
"""Events by themselves; what is claimed beyond them has its turn when its lease has run out."""


class AlertingSink(EventSink, AlertSink, Protocol):
    """A destination of alerts, which takes a single event as well."""


class AlertDelivery:
    """One stream's lane; to be driven as a ``StreamDelivery`` is."""

    def __init__(
        self,
        stream: EventStream,
        sink: AlertingSink,
        *,
        grounds: AlertGrounds,
        outbox: Outbox,
        clock: Clock,
        rng: Random,
        schedule: RetrySchedule | None = None,
        limits: DeliveryLimits | None = None,
        judge: Callable[[Sequence[DeliveryReport]], Awaitable[None]] | None = None,
    ) -> None:
        """``judge`` hears what became of each alert, and may then drain the lane."""
        self._stream_id = stream.id
        self._sink = sink
        self._grounds = grounds
        self._outbox = outbox
        self._clock = clock
        self._rng = rng
        self._schedule = schedule or RetrySchedule()
        self._limits = limits or DeliveryLimits()
        self._judge = judge
        self._set_back = SetBack(clock)
        self._book = AlertBook(stream, grounds, clock=clock, rng=rng)
        self._attempts = AttemptLog(grounds.store, stream.id)
        self._events_stirred = asyncio.Event()
        self._alerts_stirred = asyncio.Event()
        self._drained = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        """Alerts that are being told."""
        self._sending: dict[int, asyncio.Task[None]] = {}
        """By delivery id, events that are being sent by themselves."""
        self._answers: list[DeliveryReport] = []
        """To alerts, as far as nobody has judged them."""
        self._unswept = True
        self._caught_up = False
        """What waited when the lane began is taken in: not before is anything told."""
        self._drain_deadline: float | None = None
        """Moment of the loop's time; None while the lane takes in and tells."""
        self._ending: asyncio.Timeout | None = None
        """What ends the lane at that moment."""
        self._settles_last = True
        self._store_pause_seconds = 0.0
        """Above zero while the database is away."""
        self._counts = dict.fromkeys(DeliveryResult, 0)
        self._last_error: str | None = None

    @property
    def progress(self) -> DeliveryProgress:
        """Counts alerts that were told, not the events in them."""
        return DeliveryProgress(
            delivered=self._counts[DeliveryResult.DELIVERED],
            retried=self._counts[DeliveryResult.RETRY],
            parked=self._counts[DeliveryResult.PARKED],
            dead=self._counts[DeliveryResult.DEAD],
            in_flight=len(self._in_flight) + len(self._sending),
            last_error=self._last_error,
        )

    @property
    def unsettled(self) -> list[DeliveryReport]:
        """Events that are taken in, as far as the outbox has not been told."""
        return self._book.to_settle

    def wake(self) -> None:
        """The outbox may hold something new for this stream."""
        self._events_stirred.set()

    def trunks_changed(self) -> None:
        """All trunks are known, and may be others than before."""
        self._unswept = True
        self._events_stirred.set()

    def maintenance_changed(self) -> None:
        """Other maintenance may be planned than before."""
        self._book.alerting.silences_changed(self._book.now_ms())
        self._alerts_stirred.set()

    def drain(self, deadline_seconds: float, *, settle: bool = True) -> None:
        """As of a ``StreamDelivery``: begin nothing more, and end within this time."""
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        self._drain_deadline = min(deadline, self._drain_deadline or deadline)
        self._settles_last = self._settles_last and settle
        if self._ending is not None and not self._ending.expired():
            self._ending.reschedule(self._drain_deadline)
        for stirred in (self._drained, self._events_stirred, self._alerts_stirred):
            stirred.set()
        self._attempts.end()

    async def run(self) -> None:
        """Take in and tell until drained or cancelled."""
        try:
            async with asyncio.timeout_at(self._drain_deadline) as self._ending:
                if await self._restored():
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._take_in_until_drained(tasks))
                        tasks.create_task(self._tell_until_drained(tasks))
                        tasks.create_task(self._attempts.run())
        except TimeoutError:
            if self._ending is None or not self._ending.expired():
                raise
        finally:
            self._ending = None
        await self._finish()

    # --- events -------------------------------------------------------------------------------

    async def _take_in_until_drained(self, tasks: asyncio.TaskGroup) -> None:
        while self._drain_deadline is None:
            self._events_stirred.clear()
            try:
                if not await self._take_in(tasks):
                    await self._rest()
            except StoreUnavailable as problem:
                await self._without_store(problem)

    async def _take_in(self, tasks: asyncio.TaskGroup) -> bool:
        """Learn what is due and keep it; False if there was nothing."""
        await self._set_back.make_up(self._outbox, self._stream_id)
        claimed = await self._outbox.claim(
            self._stream_id,
            now_ms=self._book.now_ms(),
            limit=CLAIMED_AT_ONCE,
            lease_ms=round(self._limits.lease_seconds * 1000),
        )
        if not claimed and self._unswept:  # nothing is on its way that would say the same
            self._unswept = False
            await self._book.sweep()
        for number, delivery in enumerate(claimed):
            if number % PER_TURN == 0:
                await asyncio.sleep(0)
            if self._book.knows(delivery):
                continue
            if event_type_of(delivery.body) == EVENT_TYPE:
                # What is replayed is long over: nobody shall be woken by it.
                self._unswept |= not self._book.learn(delivery)
            elif delivery.id not in self._sending and len(self._sending) < SENT_AT_ONCE:
                self._sending[delivery.id] = tasks.create_task(self._send(delivery))
        await self._book.save()
        await self._settle()
        self._note_store_regained()
        self._caught_up |= not claimed
        self._alerts_stirred.set()
        return bool(claimed)

    async def _send(self, delivery: Delivery) -> None:
        started = self._clock.monotonic()
        answer = await answer_to(
            lambda: self._sink.deliver(delivery),
            within_seconds=self._limits.send_seconds,
            stream=self._stream_id,
            event_id=delivery.event_id,
        )
        report = self._schedule.report(
            delivery,
            answer,
            now_ms=self._book.now_ms(),
            rng=self._rng,
            duration_ms=self._since_ms(started),
        )
        self._book.note(report)
        self._count(report)
        del self._sending[delivery.id]
        self._events_stirred.set()

    async def _settle(self) -> None:
        reports = self._book.to_settle
        if reports:
            await self._outbox.settle(reports)
            self._book.settled(reports)

    async def _rest(self) -> None:
        """Until something stirs, or until there is more to take in."""
        await _stirred_within(self._events_stirred, SHORTEST_SLEEP_SECONDS)
        if not self._events_stirred.is_set():
            due_ms = await self._outbox.next_due_ms(self._stream_id)
            await _stirred_within(self._events_stirred, self._seconds_until(due_ms))

    # --- alerts -------------------------------------------------------------------------------

    async def _tell_until_drained(self, tasks: asyncio.TaskGroup) -> None:
        while self._drain_deadline is None:
            self._alerts_stirred.clear()
            try:
                await self._book.make_up_for_set_back()
                await self._book.save()
                await self._have_judged()
                await self._tell_due(tasks)
            except StoreUnavailable as problem:
                await self._without_store(problem)
                continue
            has_room = len(self._in_flight) < TOLD_AT_ONCE
            due_ms = self._book.alerting.next_ms() if has_room and self._caught_up else None
            await _stirred_within(self._alerts_stirred, self._seconds_until(due_ms))

    async def _tell_due(self, tasks: asyncio.TaskGroup) -> None:
        if self._drain_deadline is not None or not self._caught_up:
            return
        alerts = self._book.due(TOLD_AT_ONCE - len(self._in_flight))
        if not alerts:
            return
        try:
            await self._book.save()  # from now on they may have been told
        except BaseException:
            for alert in alerts:
                self._book.alerting.failed(alert, self._book.now_ms())
            raise
        for alert in alerts:
            task = tasks.create_task(self._tell(alert))
            self._in_flight.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._alerts_stirred.set()

    async def _tell(self, alert: Alert) -> None:
        started = self._clock.monotonic()

        def report(answer: SinkAnswer, result: DeliveryResult) -> DeliveryReport:
            return DeliveryReport(
                delivery_id=0,
                stream_id=self._stream_id,
                result=result,
                at_ms=self._book.now_ms(),
                detail=answer.detail,
                duration_ms=self._since_ms(started),
                request=answer.request,
                response=answer.response,
                gone=answer.outcome is DeliveryOutcome.GONE,
            )

        try:
            answer = await answer_to(
                lambda: self._sink.tell(alert),
                within_seconds=self._limits.send_seconds,
                stream=self._stream_id,
                alert=alert.alert_id,
            )
        except asyncio.CancelledError:
            # It may have arrived, and is told again by whoever takes the lane up.
            self._attempts.note(alert, report(INTERRUPTED, DeliveryResult.RETRY))
            raise
        ended = report(answer, self._book.conclude(alert, answer, self._schedule))
        self._attempts.note(alert, ended)
        self._count(ended)
        told = ended.result is DeliveryResult.DELIVERED
        (log.info if told else log.warning)(
            "alert.told" if told else "alert.not_taken",
            stream=self._stream_id,
            alert=alert.alert_id,
            kind=alert.kind.value,
            title=alert.title,
            answer=answer.detail,
        )

    def _count(self, report: DeliveryReport) -> None:
        self._counts[report.result] += 1
        self._last_error = None if report.result is DeliveryResult.DELIVERED else report.detail
        self._answers.append(report)

    async def _have_judged(self) -> None:
        answers, self._answers = self._answers, []
        if answers and self._judge is not None:
            await self._judge(answers)

    # --- the store ----------------------------------------------------------------------------

    async def _restored(self) -> bool:
        """Take up the alerts of an earlier life; False if the lane is drained before that."""
        while self._drain_deadline is None:
            self._events_stirred.clear()
            try:
                if self._grounds.ready():
                    await self._book.load()
                    return True
                await _stirred_within(self._events_stirred, LONGEST_SLEEP_SECONDS)
            except StoreUnavailable as problem:
                await self._without_store(problem)
        return False

    async def _finish(self) -> None:
        """Keep what is known by now; whatever is not kept is taken in and told again."""
        try:
            async with asyncio.timeout(LAST_SETTLE_SECONDS):
                await self._book.save()
                if self._settles_last:
                    await self._settle()
                await self._attempts.write()
        except (TimeoutError, StoreUnavailable) as problem:
            log.warning(
                "delivery.unsettled",
                stream=self._stream_id,
                deliveries=len(self._book.to_settle),
                problem=str(problem) or "no answer in time",
            )

    async def _without_store(self, problem: StoreUnavailable) -> None:
        """Sleep through everything but a drain: a lost database is not hurried."""
        first_seconds, longest_seconds = STORE_RETRY_SECONDS
        if not self._store_pause_seconds:
            log.error("delivery.store_unavailable", stream=self._stream_id, problem=str(problem))
        pause = min(max(first_seconds, self._store_pause_seconds * 2), longest_seconds)
        self._store_pause_seconds = pause
        await _stirred_within(self._drained, pause)

    def _note_store_regained(self) -> None:
        if self._store_pause_seconds:
            self._store_pause_seconds = 0.0
            log.info("delivery.store_available", stream=self._stream_id)

    def _since_ms(self, started: float) -> int:
        return round((self._clock.monotonic() - started) * 1000)

    def _seconds_until(self, moment_ms: int | None) -> float:
        if moment_ms is None:
            return LONGEST_SLEEP_SECONDS
        return min(max(0.0, (moment_ms - self._book.now_ms()) / 1000), LONGEST_SLEEP_SECONDS)


async def _stirred_within(stirred: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stirred.wait()
    except TimeoutError:
        return

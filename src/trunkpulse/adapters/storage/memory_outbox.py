"""Deliveries without a disk: the outbox, and what became of each delivery."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trunkpulse.adapters.storage.rules import AT_ONCE
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    ATTEMPTS_KEPT,
    MAX_REPLAYED,
    MAX_SAID_CHARACTERS,
    AlertKind,
    Delivery,
    DeliveryReport,
    DeliveryResult,
    DeliveryState,
    RecordedAttempt,
    RecordedDelivery,
    RecordedEvent,
    ReplayChoice,
    Replayed,
    StreamBacklog,
)

__all__ = ["KeptDelivery", "MemoryOutbox", "logged"]


@dataclass(slots=True)
class KeptDelivery:
    """A delivery, from its event to its end and after."""

    delivery: Delivery
    state: DeliveryState = DeliveryState.PENDING
    due_ms: int = AT_ONCE
    claimed: bool = False
    settled_ms: int | None = None
    replayed_ms: int | None = None
    detail: str = ""
    alert: AlertKind | None = None
    """What of an alert it tells; such a one is never among those that wait."""
    last_said: tuple[int, int] | None = None
    """The attempt that was logged last, and when it ended."""


class MemoryOutbox:
    """Outbox and DeliveryLog, in plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._events: list[RecordedEvent] = []
        """What is recorded, oldest first."""
        self._kept: dict[int, KeptDelivery] = {}
        """By id, all of them."""
        self._waiting: dict[int, KeptDelivery] = {}
        """By id, those that are pending or parked."""
        self._queues: defaultdict[str, dict[str, deque[KeptDelivery]]] = defaultdict(dict)
        """By stream and trunk, the pending ones; only the first of a queue is ever due."""
        self._parked: defaultdict[str, dict[int, KeptDelivery]] = defaultdict(dict)
        """By stream, those that nothing waits for; all of them are due some time."""
        self._said: defaultdict[str, deque[tuple[int, RecordedAttempt]]] = defaultdict(
            lambda: deque(maxlen=ATTEMPTS_KEPT)
        )
        """By stream, delivery ids and what was said."""
        self._last_delivery_id = 0

    # --- Outbox ---

    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """Drop the undelivered deliveries of all other streams."""
        known = {stream.id for stream in streams}
        self._drop_waiting(lambda stream_id: stream_id not in known)

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        """Take due deliveries, the heads first, each kind from the oldest on."""
        due = (kept for kept in self._claimable(stream_id) if kept.due_ms <= now_ms)
        taken = heapq.nsmallest(limit, due, key=_news_first)
        for kept in taken:
            kept.due_ms = now_ms + lease_ms
            kept.claimed = True
        return [kept.delivery for kept in taken]

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        """Record how claimed deliveries ended; one that is already settled is left alone."""
        for report in reports:
            kept = self._kept.get(report.delivery_id)
            if kept is None:
                continue
            if kept.last_said != (report.attempt, report.at_ms):  # else it is settled again
                kept.last_said = report.attempt, report.at_ms
                self._said[kept.delivery.stream_id].append((report.delivery_id, logged(report)))
            delivered = report.result is DeliveryResult.DELIVERED
            if report.delivery_id not in self._waiting or not (delivered or kept.claimed):
                continue
            if delivered or report.result is DeliveryResult.DEAD:
                self._leave(kept)
                kept.state = DeliveryState(report.result.value)
            elif report.result is DeliveryResult.PARKED:
                self._park(kept)
                kept.delivery = replace(kept.delivery, times_parked=kept.delivery.times_parked + 1)
            self._note(kept, report)

    async def next_due_ms(self, stream_id: str) -> int | None:
        """When the next delivery falls due; None if none ever will."""
        return min((kept.due_ms for kept in self._claimable(stream_id)), default=None)

    async def bring_forward(self, stream_id: str, by_ms: int) -> None:
        """What is due at a moment is due, and was tried, so much sooner."""
        for kept in self._claimable(stream_id):
            if kept.due_ms != AT_ONCE:
                kept.due_ms -= by_ms
            if kept.delivery.first_attempt_ms is not None:
                first_ms = kept.delivery.first_attempt_ms - by_ms
                kept.delivery = replace(kept.delivery, first_attempt_ms=first_ms)

    async def release(self) -> None:
        """Give back every claim."""
        for kept in self._waiting.values():
            if kept.claimed:
                kept.claimed = False
                kept.due_ms = AT_ONCE

    # --- DeliveryLog ---

    async def deliveries(
        self,
        stream_id: str,
        *,
        state: DeliveryState | None = None,
        trunk_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[RecordedDelivery]:
        """At most ``limit`` of a stream, newest first, with an id below ``before``."""
        found: list[RecordedDelivery] = []
        for kept in reversed(self._kept.values()):
            delivery = kept.delivery
            if len(found) == limit:
                break
            if (
                delivery.stream_id == stream_id
                and (state is None or kept.state is state)
                and (trunk_id is None or delivery.trunk_id == trunk_id)
                and (before is None or delivery.id < before)
            ):
                found.append(self._recorded(kept))
        return found

    async def delivery(self, stream_id: str, delivery_id: int) -> RecordedDelivery | None:
        """One of a stream; None if it has none of this id."""
        kept = self._kept.get(delivery_id)
        if kept is None or kept.delivery.stream_id != stream_id:
            return None
        return self._recorded(kept)

    async def attempts(self, delivery_id: int, *, limit: int = 100) -> list[RecordedAttempt]:
        """The last attempts at one delivery, newest first, as far as they are kept."""
        kept = self._kept.get(delivery_id)
        if kept is None:
            return []
        said = self._said[kept.delivery.stream_id]
        return [attempt for of, attempt in reversed(said) if of == delivery_id][:limit]

    async def backlogs(self) -> Mapping[str, StreamBacklog]:
        """By stream id; a stream with nothing to say of is absent."""
        found: dict[str, StreamBacklog] = {}
        for kept in self._kept.values():
            if kept.state is DeliveryState.DELIVERED:
                continue
            stream_id = kept.delivery.stream_id
            so_far = found.get(stream_id, StreamBacklog())
            oldest_ms = so_far.oldest_ms
            if kept.state is DeliveryState.PENDING and kept.replayed_ms is None:
                recorded_ms = kept.delivery.created_ms
                oldest_ms = recorded_ms if oldest_ms is None else min(oldest_ms, recorded_ms)
            found[stream_id] = StreamBacklog(
                pending=so_far.pending + (kept.state is DeliveryState.PENDING),
                parked=so_far.parked + (kept.state is DeliveryState.PARKED),
                dead=so_far.dead + (kept.state is DeliveryState.DEAD),
                oldest_ms=oldest_ms,
            )
        return found

    async def replay(
        self, stream_id: str, choice: ReplayChoice, *, now_ms: int, after: int = 0
    ) -> Replayed:
        """Deliver events again under their own ids and in order per trunk; see ``MAX_REPLAYED``."""
        told: defaultdict[int, list[KeptDelivery]] = defaultdict(list)
        for kept in self._kept.values():
            if kept.delivery.stream_id == stream_id and kept.alert is None:
                told[kept.delivery.position].append(kept)
        chosen = [
            event
            for event in self._events
            if event.position > after and _is_chosen(event, choice, told.get(event.position, []))
        ]
        again: list[RecordedEvent] = []
        hurried = 0
        for event in chosen[:MAX_REPLAYED]:
            its = told.get(event.position, [])
            parked = [kept for kept in its if kept.state is DeliveryState.PARKED]
            if parked and not choice.dead_only:
                hurried += sum(_hurry(kept) for kept in parked)
            elif any(kept.state is DeliveryState.PENDING for kept in its) or parked:
                continue
            elif not choice.dead_only or its[-1].state is DeliveryState.DEAD:
                again.append(event)
        for event in again:
            self._deliver(event, [stream_id], replayed_ms=now_ms)
        reached = chosen[:MAX_REPLAYED]
        return Replayed(
            again=len(again),
            hurried=hurried,
            reached=reached[-1].position if reached else after,
            more=len(chosen) > len(reached),
        )

    async def retry(self, stream_id: str, delivery_id: int) -> bool:
        """Make a parked or dead delivery due at once; False if it is neither, or is being sent."""
        kept = self._kept.get(delivery_id)
        if kept is None or kept.delivery.stream_id != stream_id or kept.claimed:
            return False
        if kept.alert or kept.state not in {DeliveryState.PARKED, DeliveryState.DEAD}:
            return False
        kept.delivery = replace(kept.delivery, times_parked=1)
        kept.state, kept.due_ms = DeliveryState.PARKED, AT_ONCE
        self._waiting[delivery_id] = self._parked[stream_id][delivery_id] = kept
        return True

    # --- inside ---

    def _deliver(
        self, event: RecordedEvent, tell: Iterable[str], *, replayed_ms: int | None = None
    ) -> None:
        for stream_id in tell:
            self._last_delivery_id += 1
            delivery = Delivery(
                id=self._last_delivery_id,
                stream_id=stream_id,
                trunk_id=event.trunk_id,
                event_id=event.event_id,
                position=event.position,
                body=event.body,
                attempts=0,
                created_ms=event.at_ms,
            )
            kept = KeptDelivery(delivery, replayed_ms=replayed_ms)
            self._kept[delivery.id] = self._waiting[delivery.id] = kept
            self._queues[stream_id].setdefault(delivery.trunk_id, deque()).append(kept)

    def _drop_waiting(self, of_stream: Callable[[str], bool]) -> None:
        """Forget what is undelivered of these streams."""
        for delivery_id, kept in list(self._waiting.items()):
            if of_stream(kept.delivery.stream_id):
                self._leave(kept)
                del self._kept[delivery_id]
        for delivery_id, kept in list(self._kept.items()):
            if kept.alert is not None and of_stream(kept.delivery.stream_id):
                del self._kept[delivery_id]

    def _drop_settled(self, positions: Collection[int]) -> None:
        """Forget what became of these events."""
        self._kept = {
            id_: kept
            for id_, kept in self._kept.items()
            if id_ in self._waiting or kept.delivery.position not in positions
        }

    def _claimable(self, stream_id: str) -> list[KeptDelivery]:
        heads = [queue[0] for queue in self._queues.get(stream_id, {}).values()]
        return [*heads, *self._parked.get(stream_id, {}).values()]

    def _note(self, kept: KeptDelivery, report: DeliveryReport) -> None:
        """What every attempt leaves behind."""
        delivery = kept.delivery
        first_ms = delivery.first_attempt_ms
        kept.delivery = replace(
            delivery,
            attempts=delivery.attempts + 1,
            first_attempt_ms=report.at_ms if first_ms is None else first_ms,
        )
        kept.due_ms = report.at_ms if report.due_ms is None else report.due_ms
        kept.claimed = False
        kept.detail = report.detail
        if report.result is not DeliveryResult.RETRY:
            kept.settled_ms = report.at_ms

    def _park(self, kept: KeptDelivery) -> None:
        if kept.state is DeliveryState.PENDING:
            self._leave_queue(kept)
            kept.state = DeliveryState.PARKED
            self._parked[kept.delivery.stream_id][kept.delivery.id] = kept

    def _leave(self, kept: KeptDelivery) -> None:
        """It waits no more."""
        del self._waiting[kept.delivery.id]
        if kept.state is DeliveryState.PARKED:
            del self._parked[kept.delivery.stream_id][kept.delivery.id]
        else:
            self._leave_queue(kept)

    def _leave_queue(self, kept: KeptDelivery) -> None:
        queues = self._queues[kept.delivery.stream_id]
        queue = queues[kept.delivery.trunk_id]
        queue.remove(kept)
        if not queue:
            del queues[kept.delivery.trunk_id]

    def _recorded(self, kept: KeptDelivery) -> RecordedDelivery:
        delivery = kept.delivery
        queue = self._queues[delivery.stream_id].get(delivery.trunk_id)
        is_due = (kept.state is DeliveryState.PARKED and kept.alert is None) or (
            queue is not None and queue[0] is kept
        )
        return RecordedDelivery(
            id=delivery.id,
            stream_id=delivery.stream_id,
            trunk_id=delivery.trunk_id,
            event_id=delivery.event_id,
            position=delivery.position,
            state=kept.state,
            attempts=delivery.attempts,
            times_parked=delivery.times_parked,
            recorded_ms=delivery.created_ms,
            due_ms=kept.due_ms if is_due else None,
            settled_ms=kept.settled_ms,
            replayed_ms=kept.replayed_ms,
            detail=kept.detail,
            alert=kept.alert,
        )


def _news_first(kept: KeptDelivery) -> tuple[int, int]:
    return kept.delivery.times_parked, kept.delivery.position


def _hurry(kept: KeptDelivery) -> bool:
    if kept.claimed:
        return False
    kept.due_ms = AT_ONCE
    return True


def _is_chosen(event: RecordedEvent, choice: ReplayChoice, told: Sequence[KeptDelivery]) -> bool:
    return (
        (bool(told) if choice.event_id is None else event.event_id == choice.event_id)
        and (choice.trunk_id is None or event.trunk_id == choice.trunk_id)
        and (choice.from_ms is None or event.at_ms >= choice.from_ms)
        and (choice.to_ms is None or event.at_ms < choice.to_ms)
        and (not choice.dead_only or any(kept.state is DeliveryState.DEAD for kept in told))
    )


def logged(report: DeliveryReport) -> RecordedAttempt:
    return RecordedAttempt(
        attempt=report.attempt,
        at_ms=report.at_ms,
        duration_ms=report.duration_ms,
        result=report.result,
        request=report.request[:MAX_SAID_CHARACTERS],
        response=(report.response or report.detail)[:MAX_SAID_CHARACTERS],
    )

"""A stream's alerts with what they go by and where they are kept.

Events become news here, with what their trunks have in common, and what they change is written
before they may be settled in the outbox: an event is either still there, or it is in the store.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from trunkpulse.events.alert_group import BY_HAND, TROUBLES
from trunkpulse.events.alerting import Alerting, News, Silence
from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.events.maintenance import Maintenance
from trunkpulse.events.set_back import SetBack
from trunkpulse.model import AlertSettings, EventStream, Reason, Trunk, TrunkState, TrunkStatus
from trunkpulse.ports import (
    Alert,
    AlertMember,
    AlertStore,
    Clock,
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    SinkAnswer,
)

__all__ = ["AlertBook", "AlertGrounds"]

PER_TURN = 50
"""Events, or trunks, that are looked at before the event loop does anything else."""
RESTORED_PER_TURN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertGrounds:
    """What alerts go by besides events."""

    store: AlertStore
    maintenance: Maintenance
    trunk: Callable[[str], Trunk | None]
    """As it is configured; None if it is not."""
    status: Callable[[str], TrunkStatus]
    region: str
    """Of trunks that name none."""
    ready: Callable[[], bool]
    """True once all trunks are known: nothing is told before."""


class AlertBook:
    """See the module's opening. Moments are milliseconds since the epoch."""

    def __init__(
        self, stream: EventStream, grounds: AlertGrounds, *, clock: Clock, rng: Random
    ) -> None:
        self._stream_id = stream.id
        self._grounds = grounds
        self._clock = clock
        self._rng = rng
        settings = stream.alerts or AlertSettings()
        self._group_by = settings.group_by
        self.alerting = Alerting(stream.id, settings, new_id=self._new_id)
        self._set_back = SetBack(clock)
        self._saving = asyncio.Lock()
        self._learnt: dict[int, DeliveryReport] = {}
        """By delivery id, events whose alerts the store does not have yet."""
        self._kept: dict[int, DeliveryReport] = {}
        """Those whose alerts it has."""

    # --- where they are kept ------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the alerts of an earlier life; raises StoreUnavailable."""
        alerts, members = await self._grounds.store.load_alerts(self._stream_id)
        self.alerting.restore(alerts, ())
        for start in range(0, len(members), RESTORED_PER_TURN):
            self.alerting.restore((), members[start : start + RESTORED_PER_TURN])
            await asyncio.sleep(0)
        now_ms = self.now_ms()
        self.alerting.resume(now_ms)
        self.alerting.silences_changed(now_ms)  # maintenance may have been called off meanwhile

    async def save(self) -> None:
        """Keep what has changed; raises StoreUnavailable, and what was to be kept still is."""
        async with self._saving:
            learnt, self._learnt = self._learnt, {}
            commit = self.alerting.take()
            try:
                await self._grounds.store.save_alerts(self._stream_id, commit)
            except BaseException:
                self.alerting.put_back(commit)
                self._learnt = {**learnt, **self._learnt}
                raise
            self._kept.update(learnt)

    @property
    def to_settle(self) -> list[DeliveryReport]:
        """Of events whose part in the alerts is kept."""
        return list(self._kept.values())

    def settled(self, reports: list[DeliveryReport]) -> None:
        """The outbox has been told."""
        for report in reports:
            self._kept.pop(report.delivery_id, None)

    # --- what happens -------------------------------------------------------------------------

    def knows(self, delivery: Delivery) -> bool:
        """True if it was taken in already: its claim ran out while the database was away."""
        return delivery.id in self._learnt or delivery.id in self._kept

    def learn(self, delivery: Delivery) -> bool:
        """Take in a trunk's change; False if it may not be how the trunk is now: then sweep."""
        event = json.loads(delivery.body)
        now_ms = self.now_ms()
        news = News(
            trunk_id=event["entityId"],
            name=event["entityName"],
            state=TrunkState(event["state"]),
            reason=Reason(event["reasonCode"]),
            at_ms=event["timestamp"],
            labels=self._labels(event["entityId"]),
            position=delivery.position,
        )
        is_configured = self._grounds.trunk(news.trunk_id) is not None
        is_latest = not is_configured or self.alerting.learn(
            news, now_ms, self._silence(now_ms) or _no_silence
        )
        report = DeliveryReport(
            delivery_id=delivery.id,
            stream_id=self._stream_id,
            result=DeliveryResult.DELIVERED,
            at_ms=now_ms,
            detail="taken into an alert" if is_configured else "its trunk is not configured",
            attempt=delivery.attempts + 1,
        )
        self._learnt[delivery.id] = report
        return is_latest and (news.state not in TROUBLES or not self._is_over(news.trunk_id))

    def note(self, report: DeliveryReport) -> None:
        """An event that no alert is made of was sent by itself."""
        self._learnt[report.delivery_id] = report

    async def sweep(self) -> None:
        """Let go of trunks that are not configured or disabled; see the others as they are."""
        for number, seen in enumerate(self.alerting.members()):
            if number % PER_TURN == 0:
                await asyncio.sleep(0)
            status = self._grounds.status(seen.trunk_id)
            if self._grounds.trunk(seen.trunk_id) is None or status.reason in BY_HAND:
                self.alerting.leave(seen.trunk_id, self.now_ms())
            elif self._differs(status, seen):
                now_ms = self.now_ms()
                is_well = status.state is TrunkState.AVAILABLE
                usual = Reason.KEEPALIVE_RESTORED if is_well else Reason.KEEPALIVE_FAILURE
                since_ms = now_ms if status.since_ms is None else status.since_ms
                news = News(
                    trunk_id=seen.trunk_id,
                    name=seen.name,
                    state=status.state,
                    reason=status.reason or usual,
                    at_ms=max(since_ms, seen.since_ms),  # what the board says goes, whatever came
                )
                self.alerting.learn(news, now_ms, self._silence(now_ms) or _no_silence)

    def due(self, most: int) -> list[Alert]:
        """What is to be told now; each is to be answered for."""
        now_ms = self.now_ms()
        return self.alerting.due(now_ms, most, self._silence(now_ms))

    def conclude(self, alert: Alert, answer: SinkAnswer, schedule: RetrySchedule) -> DeliveryResult:
        """Note what the destination said to ``alert``, and say what becomes of it."""
        now_ms = self.now_ms()
        if answer.outcome is DeliveryOutcome.ACCEPTED:
            taken = replace(alert, pinned={**alert.pinned, **answer.pinned})
            self.alerting.told(taken, now_ms)
            return DeliveryResult.DELIVERED
        if answer.outcome is DeliveryOutcome.REFUSED:
            self.alerting.refused(alert, now_ms)
            return DeliveryResult.DEAD
        pause_seconds = schedule.delay_seconds(self.alerting.failures(alert) + 1, self._rng)
        if answer.retry_after_seconds is not None:
            asked = min(answer.retry_after_seconds, schedule.longest_retry_after_seconds)
            pause_seconds = max(pause_seconds, asked)
        self.alerting.failed(alert, now_ms + round(pause_seconds * 1000))
        return DeliveryResult.RETRY

    async def make_up_for_set_back(self) -> None:
        """Nobody is to be woken later because the wall clock was set back."""
        by_ms = self._set_back.ms()
        if by_ms:
            self._set_back.made_up(by_ms)
            for number, key in enumerate(self.alerting.keys()):
                if number % RESTORED_PER_TURN == 0:
                    await asyncio.sleep(0)
                self.alerting.bring_forward(key, by_ms)

    # --- what it goes by ----------------------------------------------------------------------

    def _is_over(self, trunk_id: str) -> bool:
        status = self._grounds.status(trunk_id)
        return status.state is TrunkState.AVAILABLE or status.reason in BY_HAND

    @staticmethod
    def _differs(status: TrunkStatus, seen: AlertMember) -> bool:
        """True if the trunk is well and is taken for not well, or the reverse."""
        if seen.state is TrunkState.AVAILABLE:
            return status.state in TROUBLES
        return status.state is TrunkState.AVAILABLE

    def _labels(self, trunk_id: str) -> tuple[tuple[str, str], ...]:
        carrier, region = self._carrier_and_region(trunk_id)
        known = {"carrier": carrier, "region": region}
        found = [(name, known.get(name)) for name in self._group_by]
        return tuple((name, value) for name, value in found if value is not None)

    def _carrier_and_region(self, trunk_id: str) -> tuple[str | None, str]:
        trunk = self._grounds.trunk(trunk_id)
        if trunk is None:
            return None, self._grounds.region
        return trunk.carrier, trunk.region or self._grounds.region

    def _silence(self, now_ms: int) -> Silence | None:
        maintenance = self._grounds.maintenance
        if not maintenance.is_going_on(now_ms):
            return None

        def until(trunk_id: str) -> int | None:
            found = maintenance.of(trunk_id, *self._carrier_and_region(trunk_id), now_ms)
            return None if found is None else found[1]

        return until

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def now_ms(self) -> int:
        """The moment."""
        return round(self._clock.wall() * 1000)


def _no_silence(_trunk_id: str) -> int | None:
    return None

"""What is told of alerts, among the deliveries without a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.adapters.storage.memory_outbox import KeptDelivery, MemoryOutbox, logged
from trunkpulse.adapters.storage.rules import PASSED_OVER, alert_entity
from trunkpulse.ports import (
    AlertAttempt,
    Delivery,
    DeliveryReport,
    DeliveryResult,
    DeliveryState,
)

__all__ = ["MemoryAlertAttempts"]

_STATES = {
    DeliveryResult.RETRY: DeliveryState.PARKED,
    DeliveryResult.PARKED: DeliveryState.PARKED,
    DeliveryResult.DELIVERED: DeliveryState.DELIVERED,
    DeliveryResult.DEAD: DeliveryState.DEAD,
}


class MemoryAlertAttempts(MemoryOutbox):
    """What was said on each attempt at an alert."""

    async def note_attempts(self, attempts: Sequence[AlertAttempt]) -> None:
        """Put them into the log, in order."""
        for attempt in attempts:
            self._note_attempt(attempt)

    def _note_attempt(self, attempt: AlertAttempt) -> None:
        of_alert = [
            kept
            for kept in self._kept.values()
            if kept.delivery.stream_id == attempt.stream_id
            and kept.delivery.trunk_id == alert_entity(attempt.alert_id)
        ]
        of_kind = [kept for kept in of_alert if kept.alert is attempt.kind]
        if of_kind and of_kind[-1].settled_ms == attempt.at_ms:
            return
        if of_kind and of_kind[-1].state is DeliveryState.PARKED:
            kept: KeptDelivery | None = of_kind[-1]
        else:
            for overtaken in of_alert:
                if overtaken.state is DeliveryState.PARKED:
                    overtaken.state, overtaken.detail = DeliveryState.DEAD, PASSED_OVER
                    overtaken.settled_ms = attempt.at_ms
            kept = self._opened(attempt)
        if kept is None:
            return
        kept.delivery = replace(kept.delivery, attempts=kept.delivery.attempts + 1)
        kept.state, kept.detail = _STATES[attempt.result], attempt.detail
        kept.settled_ms = attempt.at_ms
        report = DeliveryReport(
            delivery_id=kept.delivery.id,
            result=attempt.result,
            at_ms=attempt.at_ms,
            detail=attempt.detail,
            attempt=kept.delivery.attempts,
            duration_ms=attempt.duration_ms,
            request=attempt.request,
            response=attempt.response,
        )
        self._said[attempt.stream_id].append((kept.delivery.id, logged(report)))

    def _opened(self, attempt: AlertAttempt) -> KeptDelivery | None:
        """A delivery for it; None if its event is gone."""
        event = next((each for each in self._events if each.position == attempt.position), None)
        if event is None:
            return None
        self._last_delivery_id += 1
        delivery = Delivery(
            id=self._last_delivery_id,
            stream_id=attempt.stream_id,
            trunk_id=alert_entity(attempt.alert_id),
            event_id=event.event_id,
            position=event.position,
            body=event.body,
            attempts=0,
            created_ms=event.at_ms,
        )
        kept = self._kept[delivery.id] = KeptDelivery(delivery, alert=attempt.kind)
        return kept

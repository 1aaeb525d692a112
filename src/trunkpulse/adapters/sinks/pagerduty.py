"""Alerts to PagerDuty, by its Events API v2.

https://developer.pagerduty.com/docs/events-api-v2-overview

The alert's id is the ``dedup_key``: PagerDuty opens one incident for it however often it is
triggered, and the resolve closes it. An incident belongs to the service of the routing key that it
was opened with, so that key's id is pinned at the trigger. When the key has been rotated, and the
old one is still named as ``previous_secret``, what was opened with it is also closed with it.

PagerDuty wants anything tried again but 400 (the event is wrong) and, because it will not
shrink, 413.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.alerting import alert_of, bounded_key, group_text
from trunkpulse.adapters.sinks.exchange import HttpExchange, NoReply, http_url, query_secrets
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryOutcome,
    DestinationInvalid,
    SinkAnswer,
)

__all__ = ["PagerDutySink"]

SUMMARY_CHARACTERS = 1024
KEY_CHARACTERS = 255
PINNED_KEY = "routing_key_id"
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class PagerDutySink:
    """Opens and closes incidents of one service."""

    def __init__(
        self,
        stream: EventStream,
        outside: Outside,
        *,
        timeout_seconds: float = 10.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Raises DestinationInvalid for a destination that can never work.

        ``timeout_seconds`` bounds each request; while a key is being rotated there may be two.
        """
        destination = stream.destination
        if not destination.secret:
            raise DestinationInvalid(
                f"The destination of event stream {stream.id!r} needs the routing key of a "
                "PagerDuty service; set its secret."
            )
        self._url = http_url(stream, "https://events.pagerduty.com/v2/enqueue")
        self._key = destination.secret
        self._previous_key = destination.previous_secret
        self._severity = destination.option("severity", "")
        self._exchange = HttpExchange(
            outside.transport(trusted=stream.managed_by is not None),
            timeout_seconds=timeout_seconds,
            wall=wall,
            secrets=(self._key, self._previous_key, *query_secrets(self._url)),
        )

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Tell one event as an alert of its own."""
        return await self.tell(alert_of(delivery))

    async def tell(self, alert: Alert) -> SinkAnswer:
        """Trigger the alert, again if it has changed, or resolve it."""
        key = self._pinned_key(alert)
        if key is not None:
            return await self._enqueue(alert, key)
        if alert.kind is AlertKind.RESOLVE and self._previous_key is not None:
            # Nobody kept which key it was opened with. To resolve what is not open is harmless,
            # and that the old key is refused by now says that nothing is open there.
            before = await self._enqueue(alert, self._previous_key)
            if before.outcome is DeliveryOutcome.TRY_LATER:
                return before
        return await self._enqueue(alert, self._key)

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._exchange.close()

    def _pinned_key(self, alert: Alert) -> str | None:
        pinned = alert.pinned.get(PINNED_KEY)
        known = (self._key, self._previous_key)
        return next((key for key in known if key is not None and _id_of(key) == pinned), None)

    async def _enqueue(self, alert: Alert, key: str) -> SinkAnswer:
        event = self._event(alert)
        try:
            reply = await self._exchange.send(
                "POST",
                self._url,
                headers={"content-type": "application/json"},
                body=_encoder.encode({"routing_key": key, **event}),
                shown=_encoder.encode(event),
            )
        except NoReply as problem:
            return problem.answer()
        if reply.is_success:
            return reply.answer(DeliveryOutcome.ACCEPTED, pinned={PINNED_KEY: _id_of(key)})
        if reply.status in _REFUSALS:
            return reply.answer(DeliveryOutcome.REFUSED)
        return reply.answer(DeliveryOutcome.TRY_LATER)

    def _event(self, alert: Alert) -> dict[str, object]:
        dedup_key = bounded_key(alert.alert_id, KEY_CHARACTERS)
        if alert.kind is AlertKind.RESOLVE:
            return {"event_action": "resolve", "dedup_key": dedup_key}
        return {
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "trunkpulse",
            "payload": self._payload(alert),
        }

    def _payload(self, alert: Alert) -> dict[str, object]:
        group = group_text(alert)
        payload: dict[str, object] = {
            "summary": alert.title[:SUMMARY_CHARACTERS],
            "source": alert.members[0].trunk_id if alert.total == 1 else group or "trunkpulse",
            "severity": self._severity or alert.severity.value,
            "timestamp": _moment(alert.at_ms),
            "custom_details": {
                "stream": alert.stream_id,
                "summary": alert.summary,
                "opened": _moment(alert.opened_ms),
                "trunks": alert.total,
                "trunksDown": alert.total_down,
                **dict(alert.group),
                "members": [
                    {
                        "trunkId": member.trunk_id,
                        "name": member.name,
                        "state": member.state,
                        "reasonCode": member.reason,
                        "since": _moment(member.since_ms),
                        "flapping": member.flapping,
                    }
                    for member in alert.members
                ],
            },
        }
        if group:
            payload["group"] = group
        if alert.members:
            payload["class"] = alert.members[0].reason.value
        return payload


def _id_of(key: str) -> str:
    """Tells keys apart, and none of them: a routing key is 32 random characters."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")

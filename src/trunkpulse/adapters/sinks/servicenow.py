"""Alerts to ServiceNow: to its Event Management, or as incidents where there is none.

``mode = "event"`` posts to ``/api/global/em/jsonv2``. The alert's id is the ``message_key``, by
which ServiceNow folds repetitions into one alert; severity 0 clears it.

``mode = "incident"`` uses the Table API, which knows no such folding. So before it creates an
incident it looks for an open one with the alert's ``correlation_id``: a creation whose answer was
lost is then found, and not made a second time.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import httpx2

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.alerting import alert_of, bounded_key, group_text
from trunkpulse.adapters.sinks.exchange import HttpExchange, NoReply, Reply, http_url
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Alert,
    AlertKind,
    AlertSeverity,
    Delivery,
    DeliveryOutcome,
    DestinationInvalid,
    SinkAnswer,
)

__all__ = ["ServiceNowSink"]

EVENTS = "/api/global/em/jsonv2"
INCIDENTS = "/api/now/table/incident"
KEY_CHARACTERS = 100
"""What ``correlation_id`` holds."""
SHORT_DESCRIPTION_CHARACTERS = 160
DESCRIPTION_CHARACTERS = 3800
"""Of the 4,000 that an incident holds."""
RESOLVED = "6"
"""The state of an incident that is to be closed."""
OVER = "6,7,8"
"""Resolved, closed and cancelled: an incident in one of these states is not gone on with."""
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_EVENT_SEVERITIES = {
    AlertSeverity.CRITICAL: "1",
    AlertSeverity.WARNING: "4",
    AlertSeverity.INFO: "5",
}
_CLEAR = "0"
_URGENCIES = {AlertSeverity.CRITICAL: "1", AlertSeverity.WARNING: "2", AlertSeverity.INFO: "3"}
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class ServiceNowSink:
    """Opens, updates and resolves what one instance of ServiceNow holds of us."""

    def __init__(
        self,
        stream: EventStream,
        outside: Outside,
        *,
        timeout_seconds: float = 10.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Raises DestinationInvalid for a destination that can never work.

        ``timeout_seconds`` bounds each request; an incident takes two.
        """
        destination = stream.destination
        username = destination.option("username", "")
        if not username or not destination.secret:
            raise DestinationInvalid(
                f"The destination of event stream {stream.id!r} needs a user of ServiceNow; "
                "set username, and the secret to the password."
            )
        credentials = base64.b64encode(f"{username}:{destination.secret}".encode()).decode()
        self._url = http_url(stream, "https://example.service-now.com")
        self._authorization = {"authorization": f"Basic {credentials}"}
        self._makes_incidents = destination.option("mode", "event") == "incident"
        self._assignment_group = destination.option("assignment_group", "")
        self._close_code = destination.option("close_code", "Solution provided")
        self._exchange = HttpExchange(
            outside.transport(trusted=stream.managed_by is not None),
            timeout_seconds=timeout_seconds,
            wall=wall,
            secrets=(destination.secret, credentials),
        )

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Tell one event as an alert of its own."""
        return await self.tell(alert_of(delivery))

    async def tell(self, alert: Alert) -> SinkAnswer:
        """Open, update or resolve the alert."""
        try:
            if self._makes_incidents:
                return await self._tell_incident(alert)
            return _judged(await self._send("POST", EVENTS, _event(alert)))
        except NoReply as problem:
            return problem.answer()

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._exchange.close()

    async def _tell_incident(self, alert: Alert) -> SinkAnswer:
        key = bounded_key(alert.alert_id, KEY_CHARACTERS)
        found = await self._send(
            "GET",
            INCIDENTS,
            parameters={
                "sysparm_query": f"correlation_id={key}^stateNOT IN{OVER}^ORDERBYsys_created_on",
                "sysparm_fields": "sys_id",
                "sysparm_limit": "1",
            },
        )
        if not found.is_success:
            return _judged(found)
        try:
            open_incident = _sys_id(found.body)
        except ValueError:
            return found.answer(
                DeliveryOutcome.TRY_LATER, detail="the look-up was not answered as by ServiceNow"
            )
        if alert.kind is AlertKind.RESOLVE:
            if open_incident is None:
                return found.answer(DeliveryOutcome.ACCEPTED, detail="no incident is open")
            return await self._change(open_incident, self._resolution(alert))
        if open_incident is None:
            return _judged(await self._send("POST", INCIDENTS, self._incident(alert, key)))
        return await self._change(open_incident, {"work_notes": _description(alert)})

    async def _change(self, sys_id: str, fields: dict[str, object]) -> SinkAnswer:
        reply = await self._send("PATCH", f"{INCIDENTS}/{sys_id}", fields)
        # 404: it went away in between, and the next look-up finds none.
        return _judged(reply)

    async def _send(
        self,
        method: str,
        path: str,
        document: dict[str, object] | None = None,
        *,
        parameters: dict[str, str] | None = None,
    ) -> Reply:
        body = None if document is None else _encoder.encode(document)
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        query = None if parameters is None else str(httpx2.QueryParams(parameters)).encode()
        return await self._exchange.send(
            method,
            self._url.copy_with(path=path, query=query),
            headers=headers,
            hidden=self._authorization,
            body=body,
            shown=body or "",
        )

    def _incident(self, alert: Alert, key: str) -> dict[str, object]:
        incident: dict[str, object] = {
            "short_description": alert.title[:SHORT_DESCRIPTION_CHARACTERS],
            "description": _description(alert),
            "correlation_id": key,
            "correlation_display": "trunkpulse",
            "urgency": _URGENCIES[alert.severity],
            "impact": "2",
        }
        if self._assignment_group:
            incident["assignment_group"] = self._assignment_group
        return incident

    def _resolution(self, alert: Alert) -> dict[str, object]:
        return {
            "state": RESOLVED,
            "close_code": self._close_code,
            "close_notes": _description(alert),
        }


def _event(alert: Alert) -> dict[str, object]:
    is_over = alert.kind is AlertKind.RESOLVE
    only = alert.members[0] if alert.total == 1 else None
    record = {
        "source": "trunkpulse",
        "event_class": alert.stream_id,
        "node": only.trunk_id if only else group_text(alert) or "trunkpulse",
        "resource": only.name if only else "trunks",
        "type": "SIP trunk state",
        "metric_name": "trunk state",
        "message_key": bounded_key(alert.alert_id, KEY_CHARACTERS),
        "severity": _CLEAR if is_over else _EVENT_SEVERITIES[alert.severity],
        "resolution_state": "Closing" if is_over else "New",
        "time_of_event": datetime.fromtimestamp(alert.at_ms / 1000, UTC).strftime(
            "%Y-%m-%d %H:%M:%S"
        ),
        "description": _description(alert),
        "additional_info": _encoder.encode(
            {**dict(alert.group), "trunks": str(alert.total), "trunks_down": str(alert.total_down)}
        ),
    }
    return {"records": [record]}


def _description(alert: Alert) -> str:
    return alert.summary[:DESCRIPTION_CHARACTERS]


def _sys_id(body: str) -> str | None:
    """Of the first record of a list; raises ValueError if it is none."""
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    records = document.get("result") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise ValueError("there is no result")  # noqa: TRY004 - as json.loads says it
    if not records:
        return None
    sys_id = records[0].get("sys_id") if isinstance(records[0], dict) else None
    if not isinstance(sys_id, str) or not _SYS_ID.fullmatch(sys_id):
        raise ValueError("there is no sys_id")
    return sys_id


def _judged(reply: Reply) -> SinkAnswer:
    if reply.is_success:
        return reply.answer(DeliveryOutcome.ACCEPTED)
    if reply.status in _REFUSALS:
        return reply.answer(DeliveryOutcome.REFUSED)
    return reply.answer(DeliveryOutcome.TRY_LATER)

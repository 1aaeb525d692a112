"""PagerDuty and ServiceNow on loopback, as far as their documentation describes what is used."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from http_receiver import Answer, Receiver, Request, hang_up, saying

__all__ = ["PagerDuty", "ServiceNow"]


def answering(status: int, document: object) -> Answer:
    return saying(status, json.dumps(document).encode(), content_type="application/json")


@dataclass
class PagerDuty:
    """The Events API v2: one incident for each routing key and dedup key."""

    keys: frozenset[str]
    receiver: Receiver = field(default_factory=Receiver)
    incidents: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """What is open, with all that was told of it."""
    opened: int = 0
    loses_answers: bool = False
    """What is asked is done, and the connection breaks before the answer is out."""

    def __post_init__(self) -> None:
        self.receiver.answer = self.answer

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = self.receiver.requests[-1]
        event = json.loads(request.body)
        wrong = self._wrong_with(request, event)
        if wrong:
            problem = {"status": "invalid event", "message": "Event object is invalid"}
            await answering(400, {**problem, "errors": [wrong]})(reader, writer)
            return
        place = event["routing_key"], event["dedup_key"]
        if event["event_action"] == "trigger":
            self.opened += place not in self.incidents
            self.incidents.setdefault(place, []).append(event)
        else:
            self.incidents.pop(place, None)
        done = {"status": "success", "message": "Event processed", "dedup_key": place[1]}
        answer = hang_up if self.loses_answers else answering(202, done)
        await answer(reader, writer)

    def _wrong_with(self, request: Request, event: dict[str, Any]) -> str:
        payload = event.get("payload", {})
        is_trigger = event.get("event_action") == "trigger"
        checks = {
            "no such place": request.line == "POST /v2/enqueue HTTP/1.1",
            "Invalid routing key": event.get("routing_key") in self.keys,
            "'event_action' is wrong": event.get("event_action") in {"trigger", "resolve"},
            "'dedup_key' is wrong": 1 <= len(event.get("dedup_key", "")) <= 255,
            "'payload.summary' is wrong": (
                not is_trigger or 1 <= len(payload.get("summary", "")) <= 1024
            ),
            "'payload.source' is missing or blank": not is_trigger or bool(payload.get("source")),
            "'payload.severity' is wrong": (
                not is_trigger
                or payload.get("severity") in {"critical", "error", "warning", "info"}
            ),
        }
        return next((problem for problem, is_right in checks.items() if not is_right), "")


@dataclass
class ServiceNow:
    """Event Management and the Table API, for one user."""

    username: str
    password: str
    receiver: Receiver = field(default_factory=Receiver)
    alerts: dict[str, str] = field(default_factory=dict)
    """Message key to severity."""
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By sys_id."""
    loses_answers: bool = False
    """As with PagerDuty; a look-up is answered all the same."""

    def __post_init__(self) -> None:
        self.receiver.answer = self.answer

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = self.receiver.requests[-1]
        status, document = self._answer_to(request)
        is_lost = self.loses_answers and not request.line.startswith("GET ")
        answer = hang_up if is_lost else answering(status, document)
        await answer(reader, writer)

    def _answer_to(self, request: Request) -> tuple[int, object]:
        method, target, _ = request.line.split(" ")
        url = urlsplit(target)
        known = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return 401, {"error": {"message": "User Not Authenticated"}, "status": "failure"}
        document = json.loads(request.body) if request.body else {}
        match method, url.path.split("/")[1:]:
            case "POST", ["api", "global", "em", "jsonv2"]:
                return self._events(document)
            case _, ["api", "now", "table", "incident", *rest]:
                return self._table(method, rest, parse_qs(url.query), document)
        return 400, {"error": {"message": "Requested URI does not represent any resource"}}

    def _table(
        self, method: str, rest: list[str], query: dict[str, list[str]], document: dict[str, Any]
    ) -> tuple[int, object]:
        if method == "GET":
            return 200, {"result": self._found(query)}
        if method == "POST":
            sys_id = f"{len(self.incidents) + 1:032x}"
            self.incidents[sys_id] = {"sys_id": sys_id, "state": "1", **document}
            return 201, {"result": self.incidents[sys_id]}
        if rest[0] not in self.incidents:
            return 404, {"error": {"message": "No Record found"}, "status": "failure"}
        self.incidents[rest[0]] |= document
        return 200, {"result": self.incidents[rest[0]]}

    def _events(self, document: dict[str, Any]) -> tuple[int, object]:
        records = document.get("records")
        if not isinstance(records, list) or not records:
            return 400, {"error": {"message": "no records"}}
        for record in records:
            if record.get("severity") not in {"0", "1", "2", "3", "4", "5"}:
                return 400, {"error": {"message": "invalid severity"}}
            json.loads(record["additional_info"])
            self.alerts[record["message_key"]] = record["severity"]
        return 200, {"result": {"Default Bulk Endpoint": f"{len(records)} events were inserted"}}

    def _found(self, query: dict[str, list[str]]) -> list[dict[str, str]]:
        wanted, is_open, order = query["sysparm_query"][0].split("^")
        key = wanted.removeprefix("correlation_id=")
        over = is_open.removeprefix("stateNOT IN").split(",")
        assert order == "ORDERBYsys_created_on"
        fields = query["sysparm_fields"][0].split(",")
        found = [
            {name: incident[name] for name in fields}
            for incident in self.incidents.values()
            if incident["correlation_id"] == key and incident["state"] not in over
        ]
        return found[: int(query["sysparm_limit"][0])]

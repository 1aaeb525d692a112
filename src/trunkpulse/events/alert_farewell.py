"""The alerts that are open at a destination whose stream is deleted: nobody would ever close them.

So each is resolved before the stream goes, with one attempt and all of them within a bounded time:
somebody waits for the stream to be gone. What is not resolved by then stays open, and the log of
the process says which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import structlog

from trunkpulse.events.alert_group import AlertGroup, Member
from trunkpulse.events.alert_text import alert_of
from trunkpulse.events.asking import answer_to
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Alert,
    AlertKind,
    AlertSink,
    AlertStore,
    DeliveryOutcome,
    SinkAnswer,
)

__all__ = ["FAREWELL_SECONDS", "has_alerts_to_close", "open_alerts", "resolve", "say_left_open"]

log = structlog.get_logger(__name__)

FAREWELL_SECONDS = 10.0
"""For all alerts of a stream."""
TOLD_AT_ONCE = 8
NAMED_IN_LOG = 20
LOOKED_AT_PER_TURN = 500
KEEPS_ALERTS_OPEN = frozenset({"pagerduty", "servicenow"})
"""Types of destinations at which an alert is open until it is resolved; a message just was sent."""


def has_alerts_to_close(stream: EventStream) -> bool:
    """False if nothing can be open at its destination."""
    return stream.alerts is not None and stream.destination.type in KEEPS_ALERTS_OPEN


async def open_alerts(stream: EventStream, *, store: AlertStore, now_ms: int) -> list[Alert]:
    """What ends each alert that its destination may know of; raises StoreUnavailable."""
    records, members = await store.load_alerts(stream.id)
    groups = {each.key: AlertGroup(each) for each in records if each.asked_ms is not None}
    for number, each in enumerate(members):
        if number % LOOKED_AT_PER_TURN == 0:
            await asyncio.sleep(0)
        if each.key in groups:
            groups[each.key].put(Member(each.member, each.silent_until_ms))
    return [_farewell(group, stream, now_ms) for group in groups.values()]


async def resolve(
    alerts: list[Alert], sink: AlertSink, *, within_seconds: float = FAREWELL_SECONDS
) -> tuple[list[Alert], str]:
    """Tell each once; those that the destination did not take in time, and what it said last."""
    left = {alert.alert_id: alert for alert in alerts}
    problem = ""
    waiting = iter(alerts)

    async def tell_some(among: Iterator[Alert]) -> None:
        nonlocal problem
        for alert in among:
            answer = await answer_to(
                partial(_told, sink, alert),
                within_seconds=within_seconds,
                stream=alert.stream_id,
                alert=alert.alert_id,
            )
            if answer.outcome is DeliveryOutcome.ACCEPTED:
                del left[alert.alert_id]
                log.info(
                    "alert.told",
                    stream=alert.stream_id,
                    alert=alert.alert_id,
                    kind=alert.kind.value,
                    title=alert.title,
                    answer=answer.detail,
                )
            else:
                problem = answer.detail

    try:
        async with asyncio.timeout(within_seconds), asyncio.TaskGroup() as tasks:
            for _ in range(min(TOLD_AT_ONCE, len(alerts))):
                tasks.create_task(tell_some(waiting))
    except TimeoutError:
        problem = problem or f"no answer within {within_seconds:g} seconds"
    return list(left.values()), problem


def say_left_open(stream: EventStream, left: list[Alert], problem: str) -> None:
    """Tell whoever reads the log what is for them to close."""
    log.warning(
        "alerts.left_open",
        stream=stream.id,
        count=len(left),
        alerts=[alert.alert_id for alert in left[:NAMED_IN_LOG]],
        problem=problem,
        do="close them at the destination: the stream is deleted, and nobody else will",
    )


async def _told(sink: AlertSink, alert: Alert) -> SinkAnswer:
    return await sink.tell(alert)


def _farewell(group: AlertGroup, stream: EventStream, now_ms: int) -> Alert:
    alert = alert_of(group, AlertKind.RESOLVE, stream_id=stream.id, now_ms=now_ms)
    why = f"Event stream {stream.name} is deleted, and its alerts are closed with it"
    return replace(
        alert,
        title=f"{why}: {alert.title}",
        summary=f"{why}. How it was at that moment:\n{alert.summary}",
        total_down=0,
    )

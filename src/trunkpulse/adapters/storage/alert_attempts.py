"""Attempts at alerts on a database: they lie among the deliveries of events.

What is told of an alert is a row of its own there, filed under the event that caused it, so that
both go together. It is never pending and never due: its stream's lane alone sends it. Until it is
taken it counts as parked, which is what it is: it is tried again, and nothing waits behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    bindparam,
    insert,
    literal,
    null,
    select,
    update,
)

from trunkpulse.adapters.storage.engine import Database, in_turn
from trunkpulse.adapters.storage.outbox import MAX_DETAIL_CHARACTERS, TRIM_ATTEMPTS, TRIM_EVERY
from trunkpulse.adapters.storage.place import Place
from trunkpulse.adapters.storage.rules import PASSED_OVER, alert_entity
from trunkpulse.adapters.storage.tables import deliveries, delivery_attempts, events
from trunkpulse.ports import (
    MAX_SAID_CHARACTERS,
    AlertAttempt,
    Clock,
    DeliveryResult,
)

__all__ = ["DatabaseAlertAttempts"]

_of_alert = (
    deliveries.c.stream_id == bindparam("of_stream"),
    deliveries.c.trunk_id == bindparam("of_alert"),
)
_LAST = (
    select(deliveries.c.id, deliveries.c.result, deliveries.c.attempts, deliveries.c.settled_ms)
    .where(*_of_alert, deliveries.c.alert_kind == bindparam("kind"))
    .order_by(deliveries.c.id.desc())
    .limit(1)
)
_OPEN = (
    insert(deliveries)
    .from_select(
        [
            "stream_id",
            "trunk_id",
            "position",
            "attempts",
            "first_attempt_ms",
            "times_parked",
            "due_ms",
            "claimed_by",
            "result",
            "settled_ms",
            "detail",
            "replayed_ms",
            "alert_kind",
        ],
        select(
            bindparam("of_stream", type_=Text),
            bindparam("of_alert", type_=Text),
            events.c.position,
            literal(1),
            bindparam("at", type_=BigInteger),
            literal(0),
            null(),
            null(),
            bindparam("outcome", type_=Text),
            bindparam("at", type_=BigInteger),
            bindparam("said", type_=Text),
            null(),
            bindparam("kind", type_=Text),
        ).where(events.c.position == bindparam("at_position")),
    )
    .returning(deliveries.c.id)
)
_GO_ON = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("of_delivery"))
    .values(
        attempts=deliveries.c.attempts + 1,
        result=bindparam("outcome"),
        settled_ms=bindparam("at"),
        detail=bindparam("said"),
    )
)
_PASS_OVER = (
    update(deliveries)
    .where(
        *_of_alert,
        deliveries.c.alert_kind.in_(["trigger", "update", "resolve"]),
        deliveries.c.alert_kind != bindparam("kind"),
        deliveries.c.result == DeliveryResult.PARKED,
    )
    .values(result=DeliveryResult.DEAD, settled_ms=bindparam("at"), detail=PASSED_OVER)
)
_STATES = {DeliveryResult.RETRY: DeliveryResult.PARKED}
"""What a row is after an attempt, where that is another word."""


class DatabaseAlertAttempts(Database):
    """What was said on each attempt at an alert."""

    def __init__(self, place: Place, *, instance_id: str, clock: Clock) -> None:
        super().__init__(place, instance_id=instance_id, clock=clock)
        self._told: Counter[str] = Counter()
        """Attempts of each stream since its log was trimmed."""

    @in_turn
    async def note_attempts(self, attempts: Sequence[AlertAttempt]) -> None:
        """Put them into the log, in order and in one transaction."""
        if not attempts:
            return
        self._told.update(each.stream_id for each in attempts)
        full = [stream_id for stream_id, told in self._told.items() if told >= TRIM_EVERY]
        # A log for people need not wait for the disk.
        await self._at_once(partial(_note, attempts, full), lasting=False)
        for stream_id in full:
            del self._told[stream_id]


def _note(attempts: Sequence[AlertAttempt], full: Sequence[str], connection: Connection) -> None:
    for attempt in attempts:
        _note_one(attempt, connection)
    for stream_id in full:
        connection.execute(TRIM_ATTEMPTS, {"of_stream": stream_id})


def _note_one(attempt: AlertAttempt, connection: Connection) -> None:
    values: dict[str, Any] = {
        "of_stream": attempt.stream_id,
        "of_alert": alert_entity(attempt.alert_id),
        "kind": attempt.kind.value,
        "at": attempt.at_ms,
        "at_position": attempt.position,
        "outcome": _STATES.get(attempt.result, attempt.result).value,
        "said": attempt.detail[:MAX_DETAIL_CHARACTERS],
    }
    last = connection.execute(_LAST, values).first()
    if last is not None and last.settled_ms == attempt.at_ms:
        return  # nobody heard that it was noted
    if last is not None and last.result == DeliveryResult.PARKED:
        delivery_id, number = last.id, last.attempts + 1
        connection.execute(_GO_ON, {**values, "of_delivery": delivery_id})
    else:
        connection.execute(_PASS_OVER, values)
        delivery_id, number = connection.execute(_OPEN, values).scalar(), 1
    if delivery_id is None:
        return  # its event is gone, and so are all deliveries of it
    row = {
        "delivery_id": delivery_id,
        "stream_id": attempt.stream_id,
        "attempt": number,
        "at_ms": attempt.at_ms,
        "duration_ms": attempt.duration_ms,
        "result": attempt.result.value,
        "request": attempt.request[:MAX_SAID_CHARACTERS],
        "response": (attempt.response or attempt.detail)[:MAX_SAID_CHARACTERS],
    }
    connection.execute(insert(delivery_attempts), row)

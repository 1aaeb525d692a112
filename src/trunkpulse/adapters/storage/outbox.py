"""Outbox on a database: what is due is claimed under a lease and settled, and the next moves up.

Heads and parked deliveries differ in one thing only: to be settled, a head makes room for its
follower. What is due at all has a ``due_ms``, which is also how a late report is told from a
useful one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Row,
    Text,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from trunkpulse.adapters.storage.engine import Database, batches, in_turn, undisturbed
from trunkpulse.adapters.storage.place import Place
from trunkpulse.adapters.storage.rules import AT_ONCE
from trunkpulse.adapters.storage.tables import (
    alert_groups,
    alert_members,
    deliveries,
    delivery_attempts,
    events,
    owed_recoveries,
    stream_health,
)
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    ATTEMPTS_KEPT,
    MAX_SAID_CHARACTERS,
    Clock,
    Delivery,
    DeliveryReport,
    DeliveryResult,
)

__all__ = [
    "MAX_DETAIL_CHARACTERS",
    "NEXT_DUE",
    "NEXT_UP",
    "TAKE_DUE",
    "TRIM_ATTEMPTS",
    "TRIM_EVERY",
    "DatabaseOutbox",
]

MAX_DETAIL_CHARACTERS = 500
TRIM_EVERY = 1_000
"""Attempts of a stream after which those beyond ``ATTEMPTS_KEPT`` go."""

_Values = dict[str, Any]
"""By the names of a statement's parameters."""

_due = (
    select(deliveries.c.id)
    .where(
        deliveries.c.stream_id == bindparam("of_stream"), deliveries.c.due_ms <= bindparam("now")
    )
    # News first: a head has never been parked.
    .order_by(deliveries.c.times_parked, deliveries.c.position)
    .limit(bindparam("most"))
    # On PostgreSQL two instances share the work; SQLite has one writer and ignores it.
    .with_for_update(skip_locked=True)
)
TAKE_DUE = (
    update(deliveries)
    .where(deliveries.c.id.in_(_due))
    .values(due_ms=bindparam("until"), claimed_by=bindparam("claimer"))
    .returning(deliveries.c.id)
)
_SELECT_TAKEN = (
    select(deliveries, events.c.event_id, events.c.body, events.c.at_ms)
    .join_from(deliveries, events, deliveries.c.position == events.c.position)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)))
)
NEXT_DUE = select(func.min(deliveries.c.due_ms)).where(
    deliveries.c.stream_id == bindparam("of_stream"), deliveries.c.due_ms.is_not(None)
)
_SOONER = bindparam("sooner", type_=BigInteger)
_BRING_FORWARD = (
    update(deliveries)
    .where(
        deliveries.c.stream_id == bindparam("of_stream"),
        deliveries.c.due_ms.is_not(None),
        or_(deliveries.c.due_ms > AT_ONCE, deliveries.c.first_attempt_ms.is_not(None)),
    )
    .values(
        due_ms=case(
            (deliveries.c.due_ms > AT_ONCE, deliveries.c.due_ms - _SOONER),
            else_=deliveries.c.due_ms,
        ),
        first_attempt_ms=deliveries.c.first_attempt_ms - _SOONER,
    )
)
_HELD_BY_US = deliveries.c.claimed_by == bindparam("claimer")
_ATTEMPTED = {
    "claimed_by": None,
    "attempts": deliveries.c.attempts + 1,
    "first_attempt_ms": func.coalesce(deliveries.c.first_attempt_ms, bindparam("at")),
    "due_ms": bindparam("until"),
    "detail": bindparam("said"),
}

_SETTLE = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("settled_id"),
        deliveries.c.due_ms.is_not(None),
        # What another instance has claimed meanwhile is its to judge, but delivered is delivered.
        or_(bindparam("outcome") == DeliveryResult.DELIVERED, _HELD_BY_US),
    )
    .values(
        **_ATTEMPTED,
        result=bindparam("outcome"),
        settled_ms=bindparam("at"),
        times_parked=deliveries.c.times_parked + bindparam("parked_now", type_=Integer),
    )
)
_POSTPONE = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("settled_id"), deliveries.c.due_ms.is_not(None), _HELD_BY_US
    )
    .values(**_ATTEMPTED)
)

_settled = deliveries.alias("settled")
_follower = deliveries.alias("follower")
NEXT_UP = (
    update(deliveries)
    .where(
        deliveries.c.id
        == select(func.min(_follower.c.id))
        .where(
            _follower.c.stream_id == _settled.c.stream_id,
            _follower.c.trunk_id == _settled.c.trunk_id,
            _follower.c.result.is_(None),
            _settled.c.id == bindparam("settled_id"),
        )
        .scalar_subquery(),
        deliveries.c.due_ms.is_(None),
    )
    .values(due_ms=AT_ONCE)
)

_logged = delivery_attempts.alias("logged")
_LOG_ATTEMPT = insert(delivery_attempts).from_select(
    [
        "delivery_id",
        "stream_id",
        "attempt",
        "at_ms",
        "duration_ms",
        "result",
        "request",
        "response",
    ],
    # A delivery whose stream is gone meanwhile is gone too. What is settled again, because nobody
    # heard that it had been, is logged already.
    select(
        deliveries.c.id,
        deliveries.c.stream_id,
        bindparam("number", type_=Integer),
        bindparam("at", type_=BigInteger),
        bindparam("took", type_=Integer),
        bindparam("outcome", type_=Text),
        bindparam("asked", type_=Text),
        bindparam("answered", type_=Text),
    ).where(
        deliveries.c.id == bindparam("settled_id"),
        ~exists().where(
            _logged.c.delivery_id == bindparam("settled_id"),
            _logged.c.attempt == bindparam("number", type_=Integer),
            _logged.c.at_ms == bindparam("at", type_=BigInteger),
        ),
    ),
)
_too_old = (
    select(delivery_attempts.c.id)
    .where(delivery_attempts.c.stream_id == bindparam("of_stream"))
    .order_by(delivery_attempts.c.id.desc())
    .limit(1)
    .offset(ATTEMPTS_KEPT)
    .scalar_subquery()
)
TRIM_ATTEMPTS = delete(delivery_attempts).where(
    delivery_attempts.c.stream_id == bindparam("of_stream"), delivery_attempts.c.id <= _too_old
)


class DatabaseOutbox(Database):
    """Deliveries and the leases on them, shared by every instance of one database."""

    def __init__(self, place: Place, *, instance_id: str, clock: Clock) -> None:
        super().__init__(place, instance_id=instance_id, clock=clock)
        self._logged: Counter[str] = Counter()
        """Attempts of each stream since its log was trimmed."""

    @in_turn
    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """Drop what waits for all other streams, what they are owed, and their trouble."""
        known = [stream.id for stream in streams]
        async with self._writing() as connection:
            # One statement for each of the three small indexes, none that walks all deliveries.
            for waiting in (
                deliveries.c.result.is_(None),
                deliveries.c.due_ms.is_not(None),
                deliveries.c.alert_kind.is_not(None),
            ):
                gone = (waiting, deliveries.c.stream_id.not_in(known))
                await connection.execute(
                    delete(delivery_attempts).where(
                        delivery_attempts.c.delivery_id.in_(select(deliveries.c.id).where(*gone))
                    )
                )
                await connection.execute(delete(deliveries).where(*gone))
            await connection.execute(
                delete(owed_recoveries).where(owed_recoveries.c.stream_id.not_in(known))
            )
            await connection.execute(
                delete(stream_health).where(stream_health.c.stream_id.not_in(known))
            )
            for alerts in (alert_members, alert_groups):
                await connection.execute(delete(alerts).where(alerts.c.stream_id.not_in(known)))

    @in_turn
    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        """Take due deliveries for ``lease_ms``, the heads first, each kind from the oldest on."""
        values = {
            "of_stream": stream_id,
            "now": now_ms,
            "most": limit,
            "until": now_ms + lease_ms,
            "claimer": self._instance_id,
        }
        # Every claim is given back at the next start, so none needs to outlive a loss of power.
        found = await self._at_once(partial(_take_due, values), lasting=False)
        return sorted(found, key=lambda delivery: (delivery.times_parked, delivery.position))

    @in_turn
    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        """Record how claimed deliveries ended, and what was said, in one transaction.

        A delivery that is already settled is left alone, and so is one that another instance
        claimed after our lease ended, unless we did deliver it.
        """
        settled: list[_Values] = []
        postponed: list[_Values] = []
        for report in reports:
            row = self._row(report)
            if report.result is DeliveryResult.RETRY:
                postponed.append(row)
            else:
                parked_now = int(report.result is DeliveryResult.PARKED)
                settled.append({**row, "outcome": report.result, "parked_now": parked_now})
        if not reports:
            return
        said = [_said(report) for report in reports]
        self._logged.update(report.stream_id for report in reports)
        full = [stream_id for stream_id, logged in self._logged.items() if logged >= TRIM_EVERY]
        await self._at_once(partial(_settle, settled, postponed, said, full))
        for stream_id in full:
            del self._logged[stream_id]

    @undisturbed
    async def next_due_ms(self, stream_id: str) -> int | None:
        """When the next delivery falls due (claimed: its lease ends); None if none ever will."""
        async with self._reading() as connection:
            due = await connection.execute(NEXT_DUE, {"of_stream": stream_id})
            moment: int | None = due.scalar()
            return moment

    @in_turn
    async def bring_forward(self, stream_id: str, by_ms: int) -> None:
        """What is due at a moment is due, and was tried, so much sooner."""
        values = {"of_stream": stream_id, "sooner": by_ms}
        await self._at_once(lambda connection: connection.execute(_BRING_FORWARD, values))

    @in_turn
    async def release(self) -> None:
        """Give back every claim that this instance id holds."""
        async with self._writing() as connection:
            await connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.due_ms.is_not(None),
                    deliveries.c.claimed_by == self._instance_id,
                )
                .values(due_ms=AT_ONCE, claimed_by=None)
            )

    def _row(self, report: DeliveryReport) -> _Values:
        due_again = report.result in {DeliveryResult.RETRY, DeliveryResult.PARKED}
        due_ms = report.at_ms if report.due_ms is None else report.due_ms
        return {
            "settled_id": report.delivery_id,
            "claimer": self._instance_id,
            "said": report.detail[:MAX_DETAIL_CHARACTERS],
            "at": report.at_ms,
            "until": due_ms if due_again else None,
        }


def _take_due(values: _Values, connection: Connection) -> list[Delivery]:
    taken = list(connection.execute(TAKE_DUE, values).scalars())
    found: list[Delivery] = []
    for batch in batches(taken):
        rows = connection.execute(_SELECT_TAKEN, {"ids": batch})
        found += (_delivery(row) for row in rows)
    return found


def _settle(
    settled: Sequence[_Values],
    postponed: Sequence[_Values],
    said: Sequence[_Values],
    full: Sequence[str],
    connection: Connection,
) -> None:
    for batch in batches(settled):
        connection.execute(_SETTLE, batch)
        connection.execute(NEXT_UP, [{"settled_id": row["settled_id"]} for row in batch])
    for batch in batches(postponed):
        connection.execute(_POSTPONE, batch)
    for batch in batches(said):
        connection.execute(_LOG_ATTEMPT, batch)
    for stream_id in full:
        connection.execute(TRIM_ATTEMPTS, {"of_stream": stream_id})


def _said(report: DeliveryReport) -> _Values:
    return {
        "settled_id": report.delivery_id,
        "number": report.attempt,
        "at": report.at_ms,
        "took": report.duration_ms,
        "outcome": report.result.value,
        "asked": report.request[:MAX_SAID_CHARACTERS],
        "answered": (report.response or report.detail)[:MAX_SAID_CHARACTERS],
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        stream_id=row.stream_id,
        trunk_id=row.trunk_id,
        event_id=row.event_id,
        position=row.position,
        body=row.body,
        attempts=row.attempts,
        created_ms=row.at_ms,
        first_attempt_ms=row.first_attempt_ms,
        times_parked=row.times_parked,
    )

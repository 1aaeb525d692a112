"""HealthStore on a database: state, event, deliveries and debts in one transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    null,
    select,
    type_coerce,
    update,
)

from trunkpulse.adapters.storage.engine import (
    Database,
    batches,
    in_turn,
    insert_or_ignore,
    insert_or_update,
    undisturbed,
)
from trunkpulse.adapters.storage.rows import ManyRows, Row
from trunkpulse.adapters.storage.rules import AT_ONCE, conflicts
from trunkpulse.adapters.storage.tables import (
    EVENT_POSITION,
    counters,
    deliveries,
    events,
    owed_recoveries,
    trunk_health,
)
from trunkpulse.events.envelope import encode
from trunkpulse.model import Reason, TargetState, TrunkState
from trunkpulse.ports import HealthCommit, StoredHealth, StoredTarget

__all__ = ["INSERT_DELIVERY", "DatabaseHealth"]

ROWS_PER_TURN = 1000
"""Rows read before the event loop does anything else."""
ROWS_PREPARED_PER_TURN = 100
"""The same of rows to be written: a millisecond of work."""

# A look into a dictionary takes a fifth of what a call of the enumeration takes.
_TRUNK_STATES = {state.value: state for state in TrunkState}
_TARGET_STATES = {state.value: state for state in TargetState}
_REASONS = {reason.value: reason for reason in Reason}

_SELECT_HEALTH = select(
    trunk_health.c.trunk_id,
    trunk_health.c.state,
    trunk_health.c.reason,
    trunk_health.c.sequence,
    trunk_health.c.since_ms,
    trunk_health.c.admin_enabled,
    type_coerce(trunk_health.c.targets, Text),  # read by the batch, which takes half the time
)

_older = deliveries.alias("older")
_behind_an_older_one = exists().where(
    _older.c.stream_id == bindparam("to_stream"),
    _older.c.trunk_id == bindparam("of_trunk"),
    _older.c.result.is_(None),
)
INSERT_DELIVERY = insert(deliveries).values(
    stream_id=bindparam("to_stream"),
    trunk_id=bindparam("of_trunk"),
    position=bindparam("at_position"),
    attempts=0,
    times_parked=0,
    due_ms=case((_behind_an_older_one, null()), else_=bindparam("at_once", type_=BigInteger)),
    detail="",
)
_LOCK_POSITION = select(counters.c.value).where(counters.c.name == EVENT_POSITION).with_for_update()
_SET_POSITION = (
    update(counters).where(counters.c.name == EVENT_POSITION).values(value=bindparam("reached"))
)
_SELECT_SEQUENCES = select(trunk_health.c.trunk_id, trunk_health.c.sequence).where(
    trunk_health.c.trunk_id.in_(bindparam("ids", expanding=True))
)
_UPDATE_HEALTH = ManyRows(
    lambda connection: insert_or_update(connection, trunk_health), trunk_health.c.keys()
)
_INSERT_EVENT = ManyRows(lambda _: insert(events), events.c.keys())
_INSERT_DELIVERIES = ManyRows(
    lambda _: INSERT_DELIVERY, ("to_stream", "of_trunk", "at_position", "at_once")
)
_INSERT_OWED = ManyRows(
    lambda connection: insert_or_ignore(connection, owed_recoveries), ("stream_id", "trunk_id")
)
_DELETE_OWED = ManyRows(
    lambda _: delete(owed_recoveries).where(
        owed_recoveries.c.stream_id == bindparam("of_stream"),
        owed_recoveries.c.trunk_id == bindparam("of_trunk"),
    ),
    ("of_stream", "of_trunk"),
)
_encode = json.JSONEncoder(separators=(",", ":")).encode

_Prepared = tuple[HealthCommit, Row, tuple[str, int, str] | None]
"""A commit, the row of its trunk, and id, moment and text of its event."""


class DatabaseHealth(Database):
    """Trunk states, compared and set by their sequence."""

    @undisturbed
    async def load(
        self, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, StoredHealth]:
        """Every trunk's last recorded state, forgotten ones included."""
        found: dict[str, StoredHealth] = {}
        async with self._reading() as connection:
            total = await connection.scalar(select(func.count()).select_from(trunk_health))
            rows = await connection.stream(_SELECT_HEALTH)
            async for part in rows.partitions(ROWS_PER_TURN):
                targets = json.loads(f"[{','.join([row[-1] for row in part])}]")
                for row, its_targets in zip(part, targets, strict=True):
                    health = _health(row, its_targets)
                    found[health.trunk_id] = health
                if progress is not None:
                    progress(len(found), total or 0)
        return found

    @undisturbed
    async def load_owed(self) -> set[tuple[str, str]]:
        """(stream id, trunk id) of every recovery that is still owed."""
        async with self._reading() as connection:
            rows = await connection.execute(select(owed_recoveries))
            return {(row.stream_id, row.trunk_id) for row in rows}

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        """Write all but the trunks that conflict, whose ids it returns; durable on return.

        Raises StoreUnavailable, and then nothing is written. A call that is cancelled in its
        turn ends its commit first; one that still waits for its turn writes nothing.
        """
        prepared: list[_Prepared] = []
        for commit in commits:
            if len(prepared) % ROWS_PREPARED_PER_TURN == 0:
                await asyncio.sleep(0)  # the event loop has other things to do
            change = commit.change
            event = None if change is None else (change.event_id, change.at_ms, encode(change))
            prepared.append((commit, _health_row(commit.health), event))
        return await self._commit(prepared) if prepared else frozenset()

    @in_turn
    async def _commit(self, prepared: Sequence[_Prepared]) -> frozenset[str]:
        return await self._at_once(partial(_write, prepared))

    @in_turn
    async def forget(self, trunk_ids: Sequence[str]) -> None:
        """Keep only the sequence of these trunks, what an administrator decided, what is owed."""
        async with self._writing() as connection:
            for batch in batches(trunk_ids):
                await connection.execute(
                    update(trunk_health)
                    .where(trunk_health.c.trunk_id.in_(batch))
                    .values(state=TrunkState.UNKNOWN, reason=None, since_ms=None, targets=[])
                )


def _write(prepared: Sequence[_Prepared], connection: Connection) -> frozenset[str]:
    # Locks out other writers on PostgreSQL too; SQLite has one writer anyway.
    position: int = connection.execute(_LOCK_POSITION).scalar_one()
    commits = [commit for commit, _, _ in prepared]
    refused = conflicts(commits, _recorded(connection, commits))
    healths: list[Row] = []
    recorded: list[Row] = []
    told: list[Row] = []
    for commit, health, event in prepared:
        trunk_id = commit.health.trunk_id
        if trunk_id in refused:
            continue
        healths.append(health)
        if event is not None:
            position += 1
            event_id, at_ms, body = event
            recorded.append((position, event_id, trunk_id, at_ms, body))
            told += [(stream_id, trunk_id, position, AT_ONCE) for stream_id in commit.tell]
    _UPDATE_HEALTH.run(connection, healths)
    _INSERT_EVENT.run(connection, recorded)
    _INSERT_DELIVERIES.run(connection, told)
    _settle_debts(connection, [each for each in commits if each.health.trunk_id not in refused])
    connection.execute(_SET_POSITION, {"reached": position})
    return refused


def _recorded(connection: Connection, commits: Iterable[HealthCommit]) -> dict[str, int]:
    recorded: dict[str, int] = {}
    for batch in batches(sorted({commit.health.trunk_id for commit in commits})):
        rows = connection.execute(_SELECT_SEQUENCES, {"ids": batch})
        recorded.update((trunk_id, sequence) for trunk_id, sequence in rows)
    return recorded


def _settle_debts(connection: Connection, commits: Iterable[HealthCommit]) -> None:
    owed: dict[tuple[str, str], bool] = {}
    for commit in commits:
        if commit.opened or commit.closed:
            trunk_id = commit.health.trunk_id
            owed.update(((stream_id, trunk_id), True) for stream_id in commit.opened)
            owed.update(((stream_id, trunk_id), False) for stream_id in commit.closed)
    _INSERT_OWED.run(connection, [pair for pair, due in owed.items() if due])
    _DELETE_OWED.run(connection, [pair for pair, due in owed.items() if not due])


def _health_row(health: StoredHealth) -> Row:
    targets = [[each.uri, each.state, each.last_success_ms, each.place] for each in health.targets]
    return (
        health.trunk_id,
        health.state.value,
        None if health.reason is None else health.reason.value,
        health.sequence,
        health.since_ms,
        health.admin_enabled,
        _encode(targets),
    )


def _health(row: Sequence[Any], targets: Sequence[Any]) -> StoredHealth:
    trunk_id, state, reason, sequence, since_ms, admin_enabled, _ = row
    return StoredHealth(  # by position: a million of them are read at a start
        trunk_id,
        _TRUNK_STATES[state],
        None if reason is None else _REASONS[reason],
        sequence,
        since_ms,
        admin_enabled,
        tuple([
            StoredTarget(uri, _TARGET_STATES[state], last_success_ms, place)
            for uri, state, last_success_ms, place in targets
        ]),
    )  # fmt: skip

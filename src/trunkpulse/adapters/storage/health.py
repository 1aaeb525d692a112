"""HealthStore on a database: state, event, deliveries and debts in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    null,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from trunkpulse.adapters.storage.engine import (
    Database,
    batches,
    in_turn,
    insert_or_ignore,
    insert_or_update,
    undisturbed,
)
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
    trunk_health.c.targets,
)
_Values = dict[str, Any]

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
_DELETE_OWED = delete(owed_recoveries).where(
    owed_recoveries.c.stream_id == bindparam("of_stream"),
    owed_recoveries.c.trunk_id == bindparam("of_trunk"),
)


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
                for row in part:
                    health = _health(row)
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

    @in_turn
    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        """Write all but the trunks that conflict, whose ids it returns; durable on return.

        Raises StoreUnavailable, and then nothing is written. A call that is cancelled in its
        turn ends its commit first; one that still waits for its turn writes nothing.
        """
        if not commits:
            return frozenset()
        async with self._writing() as connection:
            # Locks out other writers on PostgreSQL too; SQLite has one writer anyway.
            position: int = (
                await connection.execute(
                    select(counters.c.value)
                    .where(counters.c.name == EVENT_POSITION)
                    .with_for_update()
                )
            ).scalar_one()
            trunk_ids = {commit.health.trunk_id for commit in commits}
            refused = conflicts(commits, await _recorded(connection, sorted(trunk_ids)))
            accepted = [each for each in commits if each.health.trunk_id not in refused]
            for batch in batches(accepted):
                position = await _write(connection, batch, position)
            await connection.execute(
                update(counters).where(counters.c.name == EVENT_POSITION).values(value=position)
            )
        return refused

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


async def _recorded(connection: AsyncConnection, trunk_ids: Sequence[str]) -> dict[str, int]:
    recorded: dict[str, int] = {}
    for batch in batches(trunk_ids):
        rows = await connection.execute(
            select(trunk_health.c.trunk_id, trunk_health.c.sequence).where(
                trunk_health.c.trunk_id.in_(batch)
            )
        )
        recorded.update((row.trunk_id, row.sequence) for row in rows)
    return recorded


async def _write(
    connection: AsyncConnection, commits: Iterable[HealthCommit], position: int
) -> int:
    """Write ``commits``, their events from ``position`` + 1 on; the last position used."""
    healths: list[_Values] = []
    recorded: list[_Values] = []
    told: list[_Values] = []
    for commit in commits:
        healths.append(_health_row(commit.health))
        change = commit.change
        if change is not None:
            position += 1
            recorded.append(
                {
                    "position": position,
                    "event_id": change.event_id,
                    "trunk_id": change.trunk_id,
                    "at_ms": change.at_ms,
                    "body": encode(change),
                }
            )
            told += (
                {
                    "to_stream": stream_id,
                    "of_trunk": change.trunk_id,
                    "at_position": position,
                    "at_once": AT_ONCE,
                }
                for stream_id in commit.tell
            )
    await connection.execute(insert_or_update(connection, trunk_health), healths)
    if recorded:
        await connection.execute(insert(events), recorded)
    if told:
        await connection.execute(INSERT_DELIVERY, told)
    await _settle_debts(connection, commits)
    return position


async def _settle_debts(connection: AsyncConnection, commits: Iterable[HealthCommit]) -> None:
    owed: dict[tuple[str, str], bool] = {}
    for commit in commits:
        trunk_id = commit.health.trunk_id
        owed.update(((stream_id, trunk_id), True) for stream_id in commit.opened)
        owed.update(((stream_id, trunk_id), False) for stream_id in commit.closed)
    opened = [{"stream_id": s, "trunk_id": t} for (s, t), due in owed.items() if due]
    closed = [{"of_stream": s, "of_trunk": t} for (s, t), due in owed.items() if not due]
    if opened:
        await connection.execute(insert_or_ignore(connection, owed_recoveries), opened)
    if closed:
        await connection.execute(_DELETE_OWED, closed)


def _health_row(health: StoredHealth) -> _Values:
    return {
        "trunk_id": health.trunk_id,
        "state": health.state,
        "reason": health.reason,
        "sequence": health.sequence,
        "since_ms": health.since_ms,
        "admin_enabled": health.admin_enabled,
        "targets": [
            [each.uri, each.state, each.last_success_ms, each.place] for each in health.targets
        ],
    }


def _health(row: Sequence[Any]) -> StoredHealth:
    trunk_id, state, reason, sequence, since_ms, admin_enabled, targets = row
    return StoredHealth(
        trunk_id=trunk_id,
        state=_TRUNK_STATES[state],
        reason=None if reason is None else _REASONS[reason],
        sequence=sequence,
        since_ms=since_ms,
        admin_enabled=admin_enabled,
        targets=tuple([
            StoredTarget(uri, _TARGET_STATES[state], last_success_ms, place)
            for uri, state, last_success_ms, place in targets
        ]),
    )  # fmt: skip

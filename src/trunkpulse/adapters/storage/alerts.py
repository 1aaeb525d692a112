"""AlertStore on a database: what streams that group their events have told, and of whom."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from trunkpulse.adapters.storage.engine import (
    Database,
    in_turn,
    insert_or_update,
    undisturbed,
)
from trunkpulse.adapters.storage.rows import ManyRows
from trunkpulse.adapters.storage.rows import Row as Values
from trunkpulse.adapters.storage.tables import alert_groups, alert_members
from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import AlertCommit, AlertMember, AlertRecord, MemberRecord

__all__ = ["DatabaseAlerts"]

ROWS_PER_TURN = 1000
"""Rows read before the event loop does anything else."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_END_MEMBERS = ManyRows(
    lambda _: delete(alert_members).where(
        alert_members.c.stream_id == bindparam("of_stream"),
        alert_members.c.group_key == bindparam("of_group"),
    ),
    ("of_stream", "of_group"),
)
_END_GROUPS = ManyRows(
    lambda _: delete(alert_groups).where(
        alert_groups.c.stream_id == bindparam("of_stream"),
        alert_groups.c.group_key == bindparam("of_group"),
    ),
    ("of_stream", "of_group"),
)
_LEAVE = ManyRows(
    lambda _: delete(alert_members).where(
        alert_members.c.stream_id == bindparam("of_stream"),
        alert_members.c.group_key == bindparam("of_group"),
        alert_members.c.trunk_id == bindparam("of_trunk"),
    ),
    ("of_stream", "of_group", "of_trunk"),
)
_WRITE_GROUPS = ManyRows(
    lambda connection: insert_or_update(connection, alert_groups), alert_groups.c.keys()
)
_WRITE_MEMBERS = ManyRows(
    lambda connection: insert_or_update(connection, alert_members), alert_members.c.keys()
)


class DatabaseAlerts(Database):
    """Alerts that are open or about to be, and their trunks."""

    @undisturbed
    async def load_alerts(self, stream_id: str) -> tuple[list[AlertRecord], list[MemberRecord]]:
        """All that is kept of a stream's alerts."""
        groups = select(alert_groups).where(alert_groups.c.stream_id == stream_id)
        members = (
            select(alert_members)
            .where(alert_members.c.stream_id == stream_id)
            .order_by(alert_members.c.since_ms, alert_members.c.trunk_id)
        )
        found: list[MemberRecord] = []
        async with self._reading() as connection:
            alerts = [_alert(row) for row in await connection.execute(groups)]
            rows = await connection.stream(members)
            async for part in rows.partitions(ROWS_PER_TURN):
                found += [_member(row) for row in part]
        return alerts, found

    @in_turn
    async def save_alerts(self, stream_id: str, commit: AlertCommit) -> None:
        """Write all in one transaction, durable on return."""
        if commit:
            await self._at_once(partial(_save, stream_id, commit))


def _save(stream_id: str, commit: AlertCommit, connection: Connection) -> None:
    ended: list[Values] = [(stream_id, key) for key in commit.ended]
    _END_MEMBERS.run(connection, ended)
    _END_GROUPS.run(connection, ended)
    _LEAVE.run(connection, [(stream_id, *each) for each in commit.left])
    _WRITE_GROUPS.run(connection, [_alert_row(stream_id, each) for each in commit.alerts])
    _WRITE_MEMBERS.run(connection, [_member_row(stream_id, each) for each in commit.members])


# Rows are in the order of the tables' columns.


def _alert_row(stream_id: str, record: AlertRecord) -> Values:
    return (
        stream_id,
        record.key,
        _encode([list(each) for each in record.labels]),
        record.alert_id,
        record.opened_ms,
        record.asked_ms,
        record.told_ms,
        record.due_ms,
        _encode(dict(record.pinned)),
        record.position,
    )


def _member_row(stream_id: str, record: MemberRecord) -> Values:
    member = record.member
    return (
        stream_id,
        record.key,
        member.trunk_id,
        member.name,
        member.state.value,
        member.reason.value,
        member.since_ms,
        member.flapping,
        record.silent_until_ms,
    )


def _alert(row: Any) -> AlertRecord:
    return AlertRecord(
        key=row.group_key,
        labels=tuple((name, value) for name, value in row.labels),
        alert_id=row.alert_id,
        opened_ms=row.opened_ms,
        asked_ms=row.asked_ms,
        told_ms=row.told_ms,
        due_ms=row.due_ms,
        pinned=row.pinned,
        position=row.position,
    )


def _member(row: Any) -> MemberRecord:
    member = AlertMember(
        trunk_id=row.trunk_id,
        name=row.name,
        state=TrunkState(row.state),
        reason=Reason(row.reason),
        since_ms=row.since_ms,
        flapping=row.flapping,
    )
    return MemberRecord(key=row.group_key, member=member, silent_until_ms=row.silent_until_ms)

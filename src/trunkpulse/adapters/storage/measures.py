"""MeasureStore on a database: one small row a target and minute.

URI and place are long and the rows are many, so a target is written down once and its minutes
refer to it by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, select, tuple_

from trunkpulse.adapters.storage.engine import (
    BATCH_ROWS,
    Database,
    batches,
    in_turn,
    insert_or_add,
    insert_or_ignore,
    undisturbed,
)
from trunkpulse.adapters.storage.rows import ManyRows
from trunkpulse.adapters.storage.tables import measured_targets, target_minutes
from trunkpulse.model import TargetState
from trunkpulse.ports import MinuteNumbers, WantedMinutes

__all__ = ["DatabaseMeasures"]

_Key = tuple[str, str, str]
"""Trunk id, URI, and place or nothing."""

_KEY = (measured_targets.c.trunk_id, measured_targets.c.uri, measured_targets.c.place)
_MICROSECONDS = 1e6
_PRUNED_TARGETS = 20
"""Targets per transaction of a pruning, each with ``BATCH_ROWS`` minutes at most."""


class DatabaseMeasures(Database):
    """The numbers of targets, minute by minute."""

    @in_turn
    async def add_minutes(self, minutes: Sequence[MinuteNumbers]) -> None:
        """Write all in one transaction, adding to minutes that are there already."""
        if minutes:
            await self._at_once(partial(_add_minutes, minutes))

    @undisturbed
    async def minutes(self, trunk_id: str, wanted: WantedMinutes) -> list[MinuteNumbers]:
        """A trunk's minutes, some of them summed up to one, in the order of their keys."""
        of, per = measured_targets.c, target_minutes.c
        slot = per.minute - per.minute % wanted.step
        sums = (
            select(
                per.target_id,
                slot.label("minute"),
                func.sum(per.answers).label("answers"),
                func.sum(per.losses).label("losses"),
                func.sum(per.rtt_sum_us).label("rtt_sum_us"),
                func.max(per.rtt_max_us).label("rtt_max_us"),
                func.max(per.minute).label("newest"),
            )
            .where(
                per.target_id.in_(select(of.id).where(of.trunk_id == trunk_id)),
                per.minute.between(wanted.first, wanted.last),
            )
            .group_by(per.target_id, slot)
            .subquery()
        )
        query = (
            select(
                of.trunk_id,
                of.uri,
                of.place,
                *(column for name, column in sums.c.items() if name not in _ONLY_TO_JOIN),
                per.smoothed_rtt_us,
                per.jitter_us,
                per.state,
            )
            .join_from(sums, measured_targets, of.id == sums.c.target_id)
            .join(
                target_minutes,
                (per.target_id == sums.c.target_id) & (per.minute == sums.c.newest),
            )
            .order_by(sums.c.minute, of.uri, of.place)
            .limit(wanted.limit)
        )
        if wanted.after is not None:
            query = query.where(tuple_(sums.c.minute, of.uri, of.place) > tuple_(*wanted.after))
        async with self._reading() as connection:
            return [_numbers(row) for row in await connection.execute(query)]

    async def prune_minutes(self, before: int) -> int:
        """Drop minutes older than ``before`` and targets that have none left; how many minutes."""
        dropped = 0
        while batch := await self._prune_minutes_batch(before):
            dropped += batch
        await self._forget_unmeasured()
        return dropped

    @in_turn
    async def _prune_minutes_batch(self, before: int) -> int:
        return await self._at_once(partial(_prune, before))

    @in_turn
    async def _forget_unmeasured(self) -> None:
        await self._at_once(_forget_unmeasured)


_ONLY_TO_JOIN = frozenset({"target_id", "newest"})
_TARGETS_OF = select(measured_targets).where(
    measured_targets.c.trunk_id.in_(bindparam("trunks", expanding=True))
)
_UNMEASURED = ~exists().where(target_minutes.c.target_id == measured_targets.c.id)
_INSERT_TARGETS = ManyRows(
    lambda connection: insert_or_ignore(connection, measured_targets, _KEY),
    ("trunk_id", "uri", "place"),
)
_ADD_MINUTES = ManyRows(
    lambda connection: insert_or_add(
        connection,
        target_minutes,
        summed=("answers", "losses", "rtt_sum_us"),
        largest=("rtt_max_us",),
    ),
    target_minutes.c.keys(),
)


def _add_minutes(minutes: Sequence[MinuteNumbers], connection: Connection) -> None:
    for batch in batches(minutes):
        ids = _ids_of(connection, batch)
        rows = [_row(ids[_key(each)], each) for each in batch]
        _ADD_MINUTES.run(connection, rows)


def _ids_of(connection: Connection, minutes: Sequence[MinuteNumbers]) -> dict[_Key, int]:
    """The number of each target, given to it now if it has none."""
    keys = {_key(each) for each in minutes}
    trunks = sorted({trunk_id for trunk_id, _, _ in keys})

    def read() -> dict[_Key, int]:
        rows = connection.execute(_TARGETS_OF, {"trunks": trunks})
        return {(row.trunk_id, row.uri, row.place): row.id for row in rows}

    ids = read()
    fresh = sorted(keys - ids.keys())
    if fresh:
        _INSERT_TARGETS.run(connection, fresh)
        ids = read()
    return ids


def _prune(before: int, connection: Connection) -> int:
    per = target_minutes.c
    # The oldest minute of a target is one step down the primary key.
    oldest = (
        select(func.min(per.minute)).where(per.target_id == measured_targets.c.id).scalar_subquery()
    )
    found = (
        select(measured_targets.c.id, oldest.label("oldest"))
        .where(oldest < before)
        .limit(_PRUNED_TARGETS)
    )
    dropped = 0
    for target_id, first in connection.execute(found).all():
        until = min(before, first + BATCH_ROWS)
        old = delete(target_minutes).where(per.target_id == target_id, per.minute < until)
        dropped += connection.execute(old).rowcount
    return dropped


def _forget_unmeasured(connection: Connection) -> None:
    connection.execute(delete(measured_targets).where(_UNMEASURED))


def _key(minute: MinuteNumbers) -> _Key:
    return minute.trunk_id, minute.uri, minute.place or ""


def _row(target_id: int, minute: MinuteNumbers) -> tuple[int | str | None, ...]:
    # In the order of the table's columns.
    return (
        target_id,
        minute.minute,
        minute.answers,
        minute.losses,
        _microseconds(minute.rtt_sum_seconds),
        _microseconds(minute.rtt_max_seconds),
        _microseconds_or_none(minute.smoothed_rtt_seconds),
        _microseconds_or_none(minute.jitter_seconds),
        minute.state.value,
    )


def _numbers(row: Row[*tuple[Any, ...]]) -> MinuteNumbers:
    return MinuteNumbers(
        trunk_id=row.trunk_id,
        uri=row.uri,
        place=row.place or None,
        minute=row.minute,
        # PostgreSQL sums integers to its unbounded kind of number.
        answers=int(row.answers),
        losses=int(row.losses),
        rtt_sum_seconds=int(row.rtt_sum_us) / _MICROSECONDS,
        rtt_max_seconds=row.rtt_max_us / _MICROSECONDS,
        smoothed_rtt_seconds=_seconds_or_none(row.smoothed_rtt_us),
        jitter_seconds=_seconds_or_none(row.jitter_us),
        state=TargetState(row.state),
    )


def _microseconds(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)


def _microseconds_or_none(seconds: float | None) -> int | None:
    return None if seconds is None else _microseconds(seconds)


def _seconds_or_none(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / _MICROSECONDS

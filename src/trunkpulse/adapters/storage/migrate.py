"""Sees to it that a database has the schema of this version, and has it upgraded if not.

That happens inside one transaction, in a thread of its own: either all steps of an upgrade are
there afterwards or none. Nearly every start finds the schema as it shall be, so what knows how to
change it (``upgrade``) is loaded only when it is needed.
"""

from __future__ import annotations

import asyncio
import threading

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from trunkpulse.adapters.storage.engine import single_connection
from trunkpulse.adapters.storage.errors import StorageError, cause
from trunkpulse.adapters.storage.place import Place
from trunkpulse.adapters.storage.tables import REVISION

__all__ = ["migrate"]

_one_at_a_time = threading.Lock()

# Alembic's own record of the steps that a database has seen; it has one row.
_version = Table("alembic_version", MetaData(), Column("version_num", String(32)))


async def migrate(place: Place) -> None:
    """Upgrade to the newest schema; raises StorageError if that cannot be done."""
    await asyncio.to_thread(_migrate_in_this_thread, place)


def _migrate_in_this_thread(place: Place) -> None:
    with _one_at_a_time:
        try:
            asyncio.run(_migrate(place))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(
                f"The database {place} cannot be brought up to date: {cause(error)}."
            ) from error


async def _migrate(place: Place) -> None:
    engine = single_connection(place)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_bring_up_to_date, place)
    finally:
        await engine.dispose()


def _bring_up_to_date(connection: Connection, place: Place) -> None:
    current = _revisions(connection)
    if current == {REVISION}:
        return
    # Importing Alembic takes a tenth of a second, and hardly any start needs it.
    from trunkpulse.adapters.storage.upgrade import upgrade  # noqa: PLC0415

    upgrade(connection, place, current)


def _revisions(connection: Connection) -> set[str]:
    """The last steps that the database has seen: one, or none if it is new."""
    if not inspect(connection).has_table(_version.name):
        return set()
    return set(connection.scalars(select(_version.c.version_num)))

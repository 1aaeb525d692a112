"""Brings a database to the schema of this version, one recorded step at a time.

The steps are Alembic's, in ``migrations/versions``, and run inside one transaction: either all
are there afterwards or none. Alembic keeps what it works on in module globals, so the upgrade
runs in a thread of its own, one at a time, where no other task can come in between.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from trunkpulse.adapters.storage.engine import single_connection
from trunkpulse.adapters.storage.errors import StorageError, cause
from trunkpulse.adapters.storage.place import Place

__all__ = ["migrate"]

_MIGRATIONS = Path(__file__).parent / "migrations"
_one_at_a_time = threading.Lock()

log: structlog.stdlib.BoundLogger = structlog.get_logger()


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
            await connection.run_sync(_upgrade, place)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, place: Place) -> None:
    config = Config()
    # Alembic reads its options with %-interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    newest = set(scripts.get_heads())
    current = set(MigrationContext.configure(connection).get_current_heads())
    unknown = current - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise StorageError(
            f"The database {place} has the schema {', '.join(sorted(unknown))} of a newer"
            f" trunkpulse, and this one knows up to {', '.join(sorted(newest))};"
            " install the newer version."
        )
    if current == newest:
        return
    config.attributes["connection"] = connection
    steps = list(scripts.iterate_revisions("heads", tuple(current) or "base"))
    for step in reversed(steps):
        command.upgrade(config, step.revision)
        log.info(
            "store.schema_upgraded", database=str(place), revision=step.revision, does=step.doc
        )

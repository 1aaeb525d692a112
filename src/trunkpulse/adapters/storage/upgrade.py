"""Brings a database to the schema of this version, one recorded step at a time.

The steps are Alembic's, in ``migrations/versions``. Alembic keeps what it works on in module
globals, so one upgrade runs at a time, in a thread where no other task can come in between.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from trunkpulse.adapters.storage.errors import StorageError
from trunkpulse.adapters.storage.place import Place

__all__ = ["upgrade"]

_MIGRATIONS = Path(__file__).parent / "migrations"

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def upgrade(connection: Connection, place: Place, current: Collection[str]) -> None:
    """Take the steps from the ``current`` revisions to the newest, in the caller's transaction.

    Raises StorageError if one of them is not known here.
    """
    config = Config()
    # Alembic reads its options with %-interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    unknown = set(current) - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise StorageError(
            f"The database {place} has the schema {', '.join(sorted(unknown))} of a newer"
            f" trunkpulse, and this one knows up to {', '.join(sorted(scripts.get_heads()))};"
            " install the newer version."
        )
    config.attributes["connection"] = connection
    steps = list(scripts.iterate_revisions("heads", tuple(current) or "base"))
    for step in reversed(steps):
        command.upgrade(config, step.revision)
        log.info(
            "store.schema_upgraded", database=str(place), revision=step.revision, does=step.doc
        )

"""The migrations make the tables that the code uses, and are shipped with it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hatchling.builders.wheel import WheelBuilder
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from contracts.stores import open_sqlite
from trunkpulse.adapters.storage import migrate
from trunkpulse.adapters.storage.tables import REVISION, metadata

ROOT = Path(__file__).parents[3]
MIGRATIONS = Path(migrate.__file__).parent / "migrations"

OF_THE_FIRST_VERSION = {"counters", "trunk_health", "owed_recoveries", "events", "deliveries"}


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def index_texts(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    )
    return {row.name: " ".join(row.sql.split()) for row in rows}


async def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    async with store._writing() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(index_texts)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        declared = await connection.run_sync(index_texts)
    assert {name: sql.replace("deliveries.", "") for name, sql in declared.items()} == migrated
    await store.close()


async def test_an_upgrade_is_logged_once_and_a_second_opening_is_silent(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    with capture_logs() as logs:
        await (await open_sqlite(file)).close()
    revisions = sorted(each.name[1:5] for each in (MIGRATIONS / "versions").glob("v*.py"))
    assert [(entry["event"], entry["revision"]) for entry in logs] == [
        ("store.schema_upgraded", revision) for revision in revisions
    ]
    with capture_logs() as logs:
        await (await open_sqlite(file)).close()
    assert logs == []


def test_the_tables_name_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


async def test_a_database_of_an_older_version_is_taken_the_steps_that_it_lacks(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trunkpulse.db"
    await (await open_sqlite(file)).close()
    with sqlite3.connect(file) as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in OF_THE_FIRST_VERSION:
                connection.execute(f"DROP TABLE {table.name}")
        for index in ("ix_deliveries_stream", "ix_deliveries_trouble", "ix_deliveries_alerts"):
            connection.execute(f"DROP INDEX {index}")
        for column in ("replayed_ms", "alert_kind"):
            connection.execute(f"ALTER TABLE deliveries DROP COLUMN {column}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with capture_logs() as logs:
        store = await open_sqlite(file)
    assert [entry["revision"] for entry in logs] == ["0002", "0003", "0004", "0005"]
    async with store._writing() as connection_of_store:
        assert await connection_of_store.run_sync(differences) == []
    await store.close()


async def test_a_start_on_the_newest_schema_does_without_alembic(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    await (await open_sqlite(file)).close()
    program = (
        "import asyncio, sys\n"
        "from trunkpulse.adapters.storage.migrate import migrate\n"
        "from trunkpulse.adapters.storage.place import locate\n"
        f"asyncio.run(migrate(locate({f'sqlite:///{file}'!r})))\n"
        "print('alembic' in sys.modules)\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_the_wheel_holds_every_migration(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    needed = {
        f"trunkpulse/adapters/storage/migrations/{path.relative_to(MIGRATIONS)}"
        for path in MIGRATIONS.rglob("*.py")
    }
    assert "trunkpulse/adapters/storage/migrations/env.py" in needed
    assert needed <= shipped

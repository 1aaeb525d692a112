"""The migrations make the tables that the code uses, and are shipped with it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hatchling.builders.wheel import WheelBuilder
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from contracts.stores import open_sqlite
from trunkpulse.adapters.storage import migrate
from trunkpulse.adapters.storage.tables import metadata

ROOT = Path(__file__).parents[3]
MIGRATIONS = Path(migrate.__file__).parent / "migrations"


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

"""Opening a database: who may read it, and what a person is told when it cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from contracts.stores import StillClock, commit_of, open_sqlite
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.errors import StorageError, cause
from trunkpulse.adapters.storage.place import locate
from trunkpulse.ports import StoreUnavailable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_folder_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "trunkpulse.db"
    store = await open_sqlite(file)
    await store.commit([commit_of("a", 1)])
    assert mode(file.parent) == 0o700
    assert {path.name: mode(path) for path in file.parent.iterdir()} == {
        "trunkpulse.db": 0o600,
        "trunkpulse.db-shm": 0o600,
        "trunkpulse.db-wal": 0o600,
    }
    await store.close()


async def test_a_path_with_a_percent_sign_and_spaces_works(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "100 %(of)s it" / "trunk pulse.db")
    await store.commit([commit_of("a", 1)])
    assert await store.last_position() == 1
    await store.close()


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("do not overwrite me, please")
    with pytest.raises(StorageError, match=r"notes\.txt is not a SQLite database; name another"):
        await open_sqlite(file)
    assert file.read_text() == "do not overwrite me, please"


async def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(StorageError, match=r"trunkpulse\.db cannot be brought up to date: .*file"):
        await open_sqlite(file)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(StorageError, match=r"cannot be opened for writing: .*; check the folder"):
        await open_sqlite(tmp_path / "taken" / "trunkpulse.db")


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened for writing: Is a directory"):
        await open_sqlite(tmp_path)


async def test_the_schema_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    await (await open_sqlite(file)).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match=r"schema 9999 of a newer trunkpulse.*up to \d{4};"):
        await open_sqlite(file)


async def test_several_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    stores = await asyncio.gather(*(open_sqlite(file) for _ in range(4)))
    await stores[0].commit([commit_of("a", 1)])
    assert [await store.last_position() for store in stores] == [1, 1, 1, 1]
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("trunkpulse.db", "'trunkpulse.db' is not a database URL; write sqlite:///FILE"),
        ("mysql://host/name", "A database of kind 'mysql' is not supported; use sqlite:///FILE"),
        ("sqlite://", "'sqlite://' names no file to keep states in"),
        ("sqlite:///:memory:", "names no file to keep states in"),
    ],
)
async def test_a_url_that_names_no_usable_database_is_explained(url: str, sentence: str) -> None:
    with pytest.raises(StorageError, match=sentence):
        await DatabaseStore.open(url, instance_id="edge-1", clock=StillClock())


def test_messages_never_show_the_password() -> None:
    place = locate("postgresql://alice:s3cret@127.0.0.1/trunkpulse")
    assert "s3cret" not in str(place)
    assert "alice" in str(place)


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    await store.close()
    with pytest.raises(StoreUnavailable, match=r"trunkpulse\.db is closed"):
        await store.load()
    with pytest.raises(StoreUnavailable, match=r"trunkpulse\.db is closed"):
        await store.commit([commit_of("a", 1)])


async def test_a_full_disk_writes_nothing_and_passes_when_there_is_room(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    commits = [commit_of(f"t{n}", 1, tell=["noc"]) for n in range(2000)]
    await store._at_once(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 60")
    )
    with pytest.raises(StoreUnavailable, match="the disk is full; free some space"):
        await store.commit(commits)
    assert await store.load() == {}
    assert await store.last_position() == 0

    await store._at_once(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    )
    assert await store.commit(commits) == frozenset()
    assert await store.last_position() == 2000
    await store.close()


async def test_a_read_only_database_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    await store._at_once(lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON"))
    with pytest.raises(StoreUnavailable, match="it is read-only; make the file"):
        await store.commit([commit_of("a", 1)])
    await store.close()


async def test_one_event_recorded_twice_is_an_error_that_no_retry_heals(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    await store.commit([commit_of("a", 1)])
    await store.forget(["a"])
    async with store._writing() as connection:
        await connection.exec_driver_sql("UPDATE trunk_health SET sequence = 0")
    with pytest.raises(StorageError, match=r"refused a row that breaks its rules: .*event_id"):
        await store.commit([commit_of("a", 1)])
    await store.close()


def test_an_error_of_the_operating_system_is_told_in_its_words() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    assert cause(refused) == "Connection refused"
    assert cause(OperationalError("SELECT 1", None, refused)) == "Connection refused"


def test_an_error_without_a_known_code_becomes_one_line() -> None:
    assert cause(sqlite3.OperationalError("no such\n table: x")) == "no such table: x"

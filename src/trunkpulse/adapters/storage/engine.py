"""Connections: one that writes, a few that read, and errors turned into sentences.

SQLite lets one connection write at a time; a second one would wait by polling. So writes queue
fairly, for one turn at a time, and start with BEGIN IMMEDIATE: a transaction that reads first
and writes later can otherwise be refused half way. Readers have connections of their own, and
in WAL mode they neither wait for the writer nor hold it up. ``synchronous=FULL`` makes a
returned commit survive a loss of power.

The asynchronous engine does its part on the event loop, and goes to its thread and back for each
call of the driver: some thirty times in a transaction of six statements, and each time it waits
until the loop gets round to it. What is written all the time (changes of states, deliveries, the
minutes of targets) therefore goes another way on SQLite: as one call, in a thread that has
connections of its own (``_at_once``). So does what is large: others wait for their turn as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    NullPool,
    Table,
    case,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from trunkpulse.adapters.storage.errors import StorageError, cause
from trunkpulse.adapters.storage.place import Place
from trunkpulse.ports import Clock, StoreUnavailable

__all__ = [
    "BATCH_ROWS",
    "Database",
    "batches",
    "in_turn",
    "insert_or_add",
    "insert_or_ignore",
    "insert_or_update",
    "single_connection",
    "undisturbed",
]

BATCH_ROWS = 500
"""Rows per statement: the event loop gets its turn in between."""

_BUSY_SECONDS = 0.5
"""While another program holds the lock. A write under way cannot be interrupted, so this is what
a stop waits for; whoever is refused keeps its work and tries again."""
_BUSY_AT_START_SECONDS = 1.0
"""The same for migrations, which nobody tries again: another process may be at its own."""
_SLOW_WRITE_SECONDS = 2.0
"""A write that takes longer is worth a warning: the disk, or another program's lock."""
_READERS = 4
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16384",  # 16 MiB: the upper levels of every index, for large logs
    "PRAGMA journal_size_limit=67108864",
)
_PRAGMAS_OF_NOTES = (
    "PRAGMA synchronous=NORMAL",
    "PRAGMA cache_size=-2048",  # 2 MiB: only what is due is looked at
)
"""Besides these, for what need not outlive a loss of power."""

_Row = TypeVar("_Row")
_Store = TypeVar("_Store", bound="Database")
_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def undisturbed(
    method: Callable[_Arguments, Coroutine[Any, Any, _Result]],
) -> Callable[_Arguments, Coroutine[Any, Any, _Result]]:
    """Let ``method`` end before its caller is cancelled.

    The driver works in a thread that a cancellation does not reach: its connection would be
    given up in the middle of a transaction and go on holding the lock. Transactions are short.
    """

    @wraps(method)
    async def to_its_end(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        task = asyncio.create_task(method(*args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if not task.cancelled():
                task.exception()  # or asyncio complains that nobody looked at it
            raise cancelled
        return task.result()

    return to_its_end


def in_turn(
    method: Callable[Concatenate[_Store, _Arguments], Coroutine[Any, Any, _Result]],
) -> Callable[Concatenate[_Store, _Arguments], Coroutine[Any, Any, _Result]]:
    """Let ``method`` write when it is its turn, and then `undisturbed`.

    A caller that is cancelled while it waits leaves the queue at once, and nothing is written:
    behind a database that is locked, the writes before it may take long to be refused.
    """
    whole = undisturbed(method)

    @wraps(method)
    async def when_it_is_its_turn(
        self: _Store, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        async with self._write_lock:
            return await whole(self, *args, **kwargs)

    return when_it_is_its_turn


class Database:
    """An open database; the ports' adapters are built on its transactions."""

    def __init__(self, place: Place, *, instance_id: str, clock: Clock) -> None:
        self._place = place
        self._instance_id = instance_id
        self._clock = clock
        self._write_lock = asyncio.Lock()
        self._closed = False
        self._committer: Engine | None = None
        self._noter: Engine | None = None
        if place.file is None:
            self._writer = self._reader = create_async_engine(place.url)
        else:
            self._committer = _committing_engine(place)
            self._noter = _committing_engine(place, *_PRAGMAS_OF_NOTES)
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commits")
            self._writer = _sqlite_engine(place, begin="BEGIN IMMEDIATE", connections=1)
            self._reader = _sqlite_engine(place, begin="BEGIN", connections=_READERS)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view; raises StoreUnavailable."""
        with self._sentences():
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, durable when the block ends well; raises StoreUnavailable.

        For methods that are `in_turn`.
        """
        with self._sentences(), self._timed():
            async with self._writer.begin() as connection:
                yield connection

    async def _at_once(
        self, transaction: Callable[[Connection], _Result], *, lasting: bool = True
    ) -> _Result:
        """The same, for what needs nothing of the event loop until it is durable.

        What need not be ``lasting`` outlives this process but perhaps not a loss of power, until
        something that is has been written after it; it does not wait for the disk.
        """
        with self._sentences(), self._timed():
            committer = self._committer if lasting else self._noter
            if committer is None:
                async with self._writer.begin() as connection:
                    return await connection.run_sync(transaction)

            def whole() -> _Result:
                with committer.begin() as connection:
                    return transaction(connection)

            return await asyncio.get_running_loop().run_in_executor(self._thread, whole)

    @undisturbed
    async def close(self) -> None:
        """Release connections once a write under way has ended; safe to repeat."""
        self._closed = True
        async with self._write_lock:
            await self._reader.dispose()
            await self._writer.dispose()
            if self._committer is not None and self._noter is not None:
                self._thread.shutdown()  # it is idle: writes are waited for above
                self._committer.dispose()
                self._noter.dispose()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = self._clock.monotonic()
        yield
        took_seconds = self._clock.monotonic() - started
        if took_seconds > _SLOW_WRITE_SECONDS:
            log.warning("store.slow", database=str(self._place), took_seconds=took_seconds)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        if self._closed:
            raise StoreUnavailable(f"The database {self._place} is closed.")
        try:
            yield
        except IntegrityError as error:
            # The same would be refused for ever: never something to try again.
            raise StorageError(
                f"The database {self._place} refused a row that breaks its rules: {cause(error)}."
            ) from error
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(
                f"The database {self._place} refused to work: {cause(error)}."
            ) from error


def single_connection(place: Place) -> AsyncEngine:
    """An engine that keeps no connection, for migrations."""
    if place.file is None:
        return create_async_engine(place.url, poolclass=NullPool)
    return _sqlite_engine(
        place, begin="BEGIN IMMEDIATE", connections=0, busy_seconds=_BUSY_AT_START_SECONDS
    )


def insert_or_update(connection: Connection | AsyncConnection, table: Table) -> Insert:
    """Write a row, in place of one with the same primary key if there is one."""
    insert = _dialect_insert(connection, table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key},
    )


def insert_or_ignore(
    connection: Connection | AsyncConnection, table: Table, key: Sequence[Column[Any]] = ()
) -> Insert:
    """Write a row unless there is one with the same ``key``; without one, the primary key."""
    return _dialect_insert(connection, table).on_conflict_do_nothing(
        index_elements=list(key or table.primary_key.columns)
    )


def insert_or_add(
    connection: Connection, table: Table, *, summed: Collection[str], largest: Collection[str]
) -> Insert:
    """Write a row, or merge it into the one with the same primary key.

    The columns ``summed`` add up, of those named ``largest`` the larger value stays, and all others
    are replaced.
    """
    insert = _dialect_insert(connection, table)
    merged: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        new = insert.excluded[column.name]
        if column.name in summed:
            merged[column.name] = column + new
        elif column.name in largest:
            merged[column.name] = case((new > column, new), else_=column)
        elif not column.primary_key:
            merged[column.name] = new
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=merged)


def batches(rows: Sequence[_Row], size: int = BATCH_ROWS) -> Iterator[Sequence[_Row]]:
    """``rows`` in order, ``size`` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _dialect_insert(
    connection: Connection | AsyncConnection, table: Table
) -> sqlite.Insert | postgresql.Insert:
    # The two databases spell an upsert alike; SQLAlchemy has a class for each.
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _sqlite_engine(
    place: Place, *, begin: str, connections: int, busy_seconds: float = _BUSY_SECONDS
) -> AsyncEngine:
    arguments = {"timeout": busy_seconds, "isolation_level": None}
    if connections:
        engine = create_async_engine(
            place.url, connect_args=arguments, pool_size=connections, max_overflow=0
        )
    else:
        engine = create_async_engine(place.url, connect_args=arguments, poolclass=NullPool)
    _make_ours(engine.sync_engine, begin)
    return engine


def _committing_engine(place: Place, *pragmas: str) -> Engine:
    engine = create_engine(
        place.url.set(drivername="sqlite"),
        # Made in the one thread that uses it, closed by another when that has ended.
        connect_args={
            "timeout": _BUSY_SECONDS,
            "isolation_level": None,
            "check_same_thread": False,
        },
        pool_size=1,
        max_overflow=0,
    )
    _make_ours(engine, "BEGIN IMMEDIATE", pragmas)
    return engine


def _make_ours(engine: Engine, begin: str, pragmas: Sequence[str] = ()) -> None:
    def set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (*_PRAGMAS, *pragmas):
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine, "connect", set_pragmas)

    # The driver would begin only before the first write, and never IMMEDIATE.
    def start_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", start_transaction)

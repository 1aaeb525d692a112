"""Many rows with one statement, without a look at each of them on the way.

For each row SQLAlchemy goes by the names and types of its values, which takes longer than SQLite
takes to write it. Here a statement is written out once for each kind of database, and rows are
tuples of what the driver itself takes: text, numbers, None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

__all__ = ["ManyRows", "Row"]

Row = tuple[str | int | bool | None, ...]


class ManyRows:
    """A statement with parameters, to be carried out once for each row."""

    def __init__(
        self, statement: Callable[[Connection], ClauseElement], names: Sequence[str]
    ) -> None:
        """``statement`` makes it for a connection; ``names`` are those of its parameters."""
        self._statement = statement
        self._names = tuple(names)
        self._written: dict[str, tuple[str, list[int], Row]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Carry it out for all ``rows``, whose values are in the order of the names."""
        if not rows:
            return
        dialect = connection.dialect.name
        if dialect not in self._written:
            self._written[dialect] = self._write_out(connection)
        text, order, constants = self._written[dialect]
        if order != list(range(len(self._names))):
            rows = [tuple([(row + constants)[place] for place in order]) for row in rows]
        connection.exec_driver_sql(text, list(rows))

    def _write_out(self, connection: Connection) -> tuple[str, list[int], Row]:
        """The text, where in a row its parameters are in their order, and what follows on a row."""
        compiled: Any = self._statement(connection).compile(
            dialect=connection.dialect, column_keys=list(self._names), for_executemany=True
        )
        wanted: list[str] = compiled.positiontup
        constant = sorted({name for name in wanted if name not in self._names})
        known = [*self._names, *constant]
        return (
            str(compiled),
            [known.index(name) for name in wanted],
            tuple([compiled.params[name] for name in constant]),
        )

"""Calls that were made, read from a table: what a switch or a billing system writes of them.

The first line names the columns. ``to`` is needed; ``from``, ``time``, ``direction``, ``region``
and ``seconds`` are read if they are there, every other column is passed over, so that a log can be
used as it is; whoever reads it may say what these are called there. Cells are parted by commas, or
by semicolons if the first line has no comma. An empty cell says nothing, and a row without a filled
cell is none. One that fills other columns but not ``to`` (internal and failed calls look like that)
is a call all the same: one without a number.

A call that cannot be read is one of a log's many, and no reason to refuse the others: it is counted
with the problem and an example (``Unread``). What makes the table itself doubtful (no column
``to``, a quotation mark that nothing closes) raises ``BadCallLog``.

A reader of CSV does not stop before a row ends, so it gets no more for one than a row may be long.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple, TextIO

from trunkpulse.csv_lines import BoundedLines, RowTooLong
from trunkpulse.model import Direction

__all__ = [
    "COLUMNS",
    "LONGEST_CELL_CHARACTERS",
    "BadCallLog",
    "Call",
    "CallLog",
    "Unread",
    "UnreadReason",
    "read_call",
]

COLUMNS: Final = ("to", "from", "time", "direction", "region", "seconds")
LONGEST_CELL_CHARACTERS: Final = 256
"""Of those that are read."""
LONGEST_ROW_CHARACTERS: Final = 64 * 1024
"""With the empty rows before it."""
MOST_COLUMNS: Final = 512
LONGEST_CALL_SECONDS: Final = 7 * 24 * 3600

_SECONDS: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_FIRST_MILLISECONDS: Final = 100_000_000_000
"""As seconds it would be the year 5138."""
_LAST_MOMENT_MS: Final = 253_402_300_800_000
"""The year 10000, which no calendar here has."""


class BadCallLog(ValueError):
    """The table cannot be read; the message is one sentence for a person. Not retryable."""


class UnreadReason(StrEnum):
    """Why a call of the log is passed over."""

    NUMBER = "NUMBER"
    """What was dialled is neither a telephone number nor a short number of a route."""
    TIME = "TIME"
    """Neither ISO 8601 nor seconds or milliseconds since the epoch."""
    DIRECTION = "DIRECTION"
    """Neither inbound nor outbound nor both."""
    SECONDS = "SECONDS"
    """No number of seconds up to a week."""
    CELLS = "CELLS"
    """More cells than the first line names columns, or one that is too long."""


class Unread(NamedTuple):
    """A call that cannot be read."""

    row: int
    """Its place in the log, from 1, without the heading."""
    reason: UnreadReason
    text: str
    """What stands there."""


class Call(NamedTuple):
    """A call that was made."""

    row: int
    """Its place in the log, from 1, without the heading."""
    to: str
    """As it was dialled."""
    from_: str | None = None
    at_ms: int | None = None
    """When it began, in milliseconds since the epoch."""
    direction: Direction | None = None
    region: str | None = None
    seconds: float | None = None
    """How long it lasted."""


class CallLog:
    """A table of calls, read row by row; see the module's opening."""

    def __init__(
        self,
        text: TextIO,
        *,
        first_row: int = 1,
        called: Mapping[str, str] | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        """``text`` is opened with ``newline=""``; ``first_row`` is the place of the first call.

        ``called`` says what a column of ``COLUMNS`` is called in this log, if otherwise; times
        without an offset are those of ``zone``. Raises BadCallLog for a heading that cannot be
        used.
        """
        heading = text.readline(LONGEST_ROW_CHARACTERS + 1)
        if len(heading) > LONGEST_ROW_CHARACTERS:
            raise BadCallLog(
                f"The first line has more than {LONGEST_ROW_CHARACTERS >> 10} KiB; it must name"
                " the columns, such as to,time,seconds."
            )
        self._delimiter = ";" if ";" in heading and "," not in heading else ","
        columns = next(csv.reader([heading.removeprefix("\ufeff")], delimiter=self._delimiter), [])
        self.columns: tuple[str, ...] = tuple(each.strip() for each in columns)
        """As the first line names them."""
        headings = {name: (called or {}).get(name, name) for name in COLUMNS}
        _check_columns(self.columns, headings)
        self._places = {
            name: self.columns.index(heading)
            for name, heading in headings.items()
            if heading in self.columns
        }
        self._lines = BoundedLines(text, LONGEST_ROW_CHARACTERS)
        self._first_row = first_row
        self.zone = zone
        """Whose clocks times without an offset go by."""

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are read, in the order of ``COLUMNS``."""
        return tuple(self._places)

    @property
    def passed_over(self) -> list[str]:
        """The columns that are not read, as the first line names them."""
        read = set(self._places.values())
        return [each for place, each in enumerate(self.columns) if place not in read]

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row in the order of ``used``; one more if there are too many.

        Raises BadCallLog where the table can no longer be read.
        """
        places = tuple(self._places.values())
        width = len(self.columns)
        reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        while True:
            line = reader.line_num + 2  # after the heading
            try:
                cells = next(reader)
            except StopIteration:
                return
            except RowTooLong:
                raise BadCallLog(
                    f"The row in line {line}, or empty ones before it, take more than"
                    f" {LONGEST_ROW_CHARACTERS >> 10} KiB; look for a quotation mark that nothing"
                    " closes."
                ) from None
            except csv.Error as problem:
                raise BadCallLog(f"Line {line} cannot be read as CSV: {problem}.") from None
            if not any(map(str.strip, cells)):
                continue
            self._lines.taken = 0
            row = [cells[place].strip() if place < len(cells) else "" for place in places]
            if any(cells[width:]):
                row.append(cells[width])
            yield row

    def calls(self) -> Iterator[Call | Unread]:
        """The calls, in the order of the log; raises BadCallLog as ``rows`` does."""
        used = self.used
        for number, row in enumerate(self.rows(), self._first_row):
            yield read_call(number, used, row, self.zone)


def _check_columns(columns: Sequence[str], headings: Mapping[str, str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise BadCallLog(f"The first line names more than {MOST_COLUMNS} columns; take some out.")
    for name, heading in headings.items():
        if heading != name and heading not in columns:
            raise BadCallLog(
                f"The first line names no column {heading[:LONGEST_CELL_CHARACTERS]!a}, which was"
                f" to be read as {name}; look how it is written there."
            )
    if headings["to"] not in columns:
        raise BadCallLog(
            "The first line must name the columns, and one of them must be called to: the number"
            f" that was dialled; {', '.join(COLUMNS[1:])} are read too."
        )
    for heading in headings.values():
        if columns.count(heading) > 1:
            raise BadCallLog(f"The column {heading} is there twice; take one out.")


def read_call(
    number: int, used: Sequence[str], row: Sequence[str], zone: tzinfo = UTC
) -> Call | Unread:
    """The call in the cells of a ``row``, as ``CallLog.rows`` gives them, at place ``number``.

    A time without an offset is what the clocks of ``zone`` show; the first of two such moments.
    """
    if len(row) > len(used):
        return Unread(number, UnreadReason.CELLS, _cut(row[-1]))
    for cell in row:
        if len(cell) > LONGEST_CELL_CHARACTERS:
            return Unread(number, UnreadReason.CELLS, _cut(cell))
    said = dict(zip(used, row, strict=True))
    at_ms: int | None = None
    seconds: float | None = None
    direction: Direction | None = None
    if text := said.get("time"):
        at_ms = _moment_ms(text, zone)
        if at_ms is None:
            return Unread(number, UnreadReason.TIME, _cut(text))
    if text := said.get("seconds"):
        seconds = float(text) if _SECONDS.fullmatch(text) else None
        if seconds is None or seconds > LONGEST_CALL_SECONDS:
            return Unread(number, UnreadReason.SECONDS, _cut(text))
    if text := said.get("direction"):
        if text.upper() not in Direction.__members__:
            return Unread(number, UnreadReason.DIRECTION, _cut(text))
        direction = Direction[text.upper()]
    return Call(
        number,
        said["to"],
        said.get("from") or None,
        at_ms,
        direction,
        said.get("region") or None,
        seconds,
    )


def _moment_ms(text: str, zone: tzinfo) -> int | None:
    """A moment of ISO 8601 (without an offset: in ``zone``) or since the epoch; None: neither."""
    if _SECONDS.fullmatch(text):
        since = float(text)
        ms = since if since >= _FIRST_MILLISECONDS else since * 1000
        return int(ms) if ms < _LAST_MOMENT_MS else None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        ms = moment.timestamp() * 1000
    except (ValueError, OverflowError):
        return None
    return int(ms) if 0 <= ms < _LAST_MOMENT_MS else None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL_CHARACTERS else f"{text[:LONGEST_CELL_CHARACTERS]}…"

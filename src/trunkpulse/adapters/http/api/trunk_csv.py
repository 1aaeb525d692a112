"""Trunks as rows of a table: a column for each thing that can be said of a trunk.

A column is called what the member is called in JSON, with the objects that it is in:
``keepalive.intervalSeconds``. An empty cell says nothing. Lists stand with blanks between their
elements, what is richer than that as JSON.

A cell that a spreadsheet would take for a formula is written with an apostrophe in front, which is
taken away again when the table comes back; so is a text that begins with an apostrophe itself.

A reader of CSV does not stop before a row ends. So it gets no more lines for one than a row may be
long.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Final

from trunkpulse.adapters.http.api.intricacy import intricacy_of
from trunkpulse.config.json_documents import camel_case
from trunkpulse.config.schema import AdvancedEntry, KeepaliveEntry, TrunkEntry
from trunkpulse.config.trunk_documents import FILES, HAS_PASSWORD, HEADER_NAMES
from trunkpulse.config.wording import did_you_mean, shown
from trunkpulse.csv_lines import BoundedLines, RowTooLong
from trunkpulse.provisioning.importing import Row

__all__ = ["COLUMNS", "csv_line", "csv_rows", "heading"]


class _Kind(Enum):
    """How what stands in a cell is to be read."""

    TEXT = auto()
    NUMBER = auto()
    SWITCH = auto()
    LIST = auto()
    OBJECT = auto()


_LISTS = frozenset({"targets", "keepalive.healthyResponses", f"advanced.{HEADER_NAMES}"})
_OBJECTS = frozenset({"advanced.headers"})
_APART = frozenset({"keepalive", "advanced", "tls"})
_FORMULA: Final = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet takes for the beginning of a formula, and our own mark."""

LONGEST_ROW_CHARACTERS: Final = 128 * 1024
"""With the empty rows before it."""

FILE_COLUMNS: Final = frozenset(map(camel_case, FILES))


def _columns() -> Iterator[tuple[str, _Kind]]:
    sections = (
        ("", TrunkEntry.model_fields),
        ("keepalive.", KeepaliveEntry.model_fields),
        ("advanced.", AdvancedEntry.model_fields),
    )
    for prefix, fields in sections:
        for name, field in fields.items():
            if name not in _APART:
                column = prefix + camel_case(name)
                yield column, _kind(column, field.annotation)
    yield f"advanced.{HAS_PASSWORD}", _Kind.SWITCH
    yield f"advanced.{HEADER_NAMES}", _Kind.LIST
    yield "advanced.tls.verify", _Kind.SWITCH
    yield "advanced.tls.serverName", _Kind.TEXT


def _kind(column: str, annotation: object) -> _Kind:
    if column in _LISTS:
        return _Kind.LIST
    if column in _OBJECTS:
        return _Kind.OBJECT
    if annotation is bool:
        return _Kind.SWITCH
    return _Kind.NUMBER if annotation in {int, float} else _Kind.TEXT


COLUMNS: Final[Mapping[str, _Kind]] = dict(_columns())
_PATHS: Final = {column: tuple(column.split(".")) for column in COLUMNS}


def heading() -> bytes:
    """The first line."""
    return _line(COLUMNS)


def csv_line(document: Mapping[str, object]) -> bytes:
    """One trunk as a line."""
    return _line(_cell(_at(document, path)) for path in _PATHS.values())


def csv_rows(text: str) -> Iterator[Row]:
    """The rows of a table, in the order in which they stand; what cannot be read says so."""
    first, _, _ = text.partition("\n")
    delimiter = ";" if ";" in first and "," not in first else ","
    lines = BoundedLines(io.StringIO(text, newline=""), LONGEST_ROW_CHARACTERS)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            if not columns:
                yield Row(1, {}, (("", "The table is empty; its first line names the columns."),))
            return
        except RowTooLong:
            sentence = (
                f"The row, or empty ones before it, take more than {LONGEST_ROW_CHARACTERS >> 10} "
                "KiB; take out empty rows, and look for a quotation mark that nothing closes."
            )
            yield Row(line, {}, (("", sentence),))
            return
        except csv.Error as problem:
            yield Row(line, {}, (("", f"The line cannot be read as CSV: {problem}."),))
            return
        if not any(cells):
            continue
        size, lines.taken = lines.taken, 0
        if columns:
            yield _row(line, columns, cells)._replace(size=size)
            continue
        columns = [cell.strip() for cell in cells]
        problems = tuple(_of_heading(columns))
        if problems:
            yield Row(line, {}, problems)
            return


def _of_heading(columns: list[str]) -> Iterator[tuple[str, str]]:
    if len(columns) > 2 * len(COLUMNS):
        yield "", f"The first line names {len(columns):,} columns; there are {len(COLUMNS)}."
        return
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            yield column, f"The column {shown(column)} is there twice; take one out."
        seen.add(column)
        if column in COLUMNS:
            continue
        if column.rpartition(".")[2] in FILE_COLUMNS:
            sentence = (
                f"The column {shown(column)} must be left out: files of this machine can be "
                "named in the configuration file alone."
            )
            yield column, sentence
            continue
        near = did_you_mean(column, COLUMNS)
        hint = f" (did you mean {near}?)" if near else ""
        sentence = f"{shown(column)} is not a known column{hint}; an export shows which there are."
        yield column, sentence
    for column in ("id", "targets"):
        if column not in seen:
            yield column, f"There is no column {column}, which every trunk needs; add it."


def _row(line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        sentence = (
            f"The line has {len(cells)} cells where the first line names {len(columns)} columns; "
            "put texts with the delimiter in them into quotes."
        )
        return Row(line, {}, (("", sentence),))
    document: dict[str, object] = {}
    problems: list[tuple[str, str]] = []
    for column, cell in zip(columns, cells, strict=True):
        text = _unescaped(cell)
        if text == "":
            continue
        *path, name = _PATHS[column]
        place = document
        for part in path:
            inner = place.setdefault(part, {})
            assert isinstance(inner, dict)
            place = inner
        try:
            place[name] = _value(COLUMNS[column], text)
        except ValueError:
            problems.append((column, f"{column} must be JSON such as an export has it."))
    return Row(line, document, tuple(problems))


def _value(kind: _Kind, text: str) -> object:
    """What ``text`` means; a text that means nothing stays one, and is refused by its key."""
    match kind:
        case _Kind.LIST:
            return _json(text) if text.startswith("[") else text.split()
        case _Kind.OBJECT:
            return _json(text)
        case _Kind.SWITCH:
            return {"true": True, "false": False}.get(text.strip().lower(), text)
        case _Kind.NUMBER:
            try:
                return int(text) if text.strip().isdecimal() else float(text)
            except ValueError:
                return text
        case _Kind.TEXT:
            return text


def _json(text: str) -> object:
    """What a cell holds; raises ValueError."""
    if (why := intricacy_of(text.encode("utf-8", "surrogatepass"))) is not None:
        raise ValueError(why)
    value: object = json.loads(text)
    return value


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return _escaped(value)
        case list() if all(isinstance(each, str) and each.split() == [each] for each in value):
            return _escaped(" ".join(value))
        case list() | dict():
            return json.dumps(value)
        case _:
            return str(value)


def _at(document: Mapping[str, object], path: Iterable[str]) -> object:
    found: object = document
    for part in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _escaped(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA and text else text


def _unescaped(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _FORMULA else cell


def _line(cells: Iterable[str]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(cells)
    return written.getvalue().encode()

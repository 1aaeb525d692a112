"""What commands print: tables for people, JSON for machines, sentences for mistakes.

On a terminal tables have colours and fold long values. Into a pipe they are plain aligned text
with every value whole, so that ``grep`` and ``awk`` can be trusted. NO_COLOR is honoured.

What is printed often comes from somebody else (a peer's reason phrase, a name that was given
through the API), so nothing is read as markup, and control characters are shown, never sent to
the terminal.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkpulse.config.wording import printable

__all__ = [
    "ago",
    "amount",
    "clock_time",
    "complain",
    "for_how_long",
    "paint",
    "print_facts",
    "print_json",
    "print_line",
    "print_table",
    "state_text",
]

Cell = str | Text

_STATE_STYLES: Final = {
    "AVAILABLE": "green",
    "DEGRADED": "yellow",
    "DOWN": "bold red",
    "UNKNOWN": "cyan",
}


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone; rich would end the process from here, ``run`` does it better."""
        raise BrokenPipeError


def _console(stream: IO[str]) -> Console:
    return _Terminal(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def paint(text: str, style: str) -> Text:
    """``text`` in a rich style; what cannot be printed is escaped."""
    return Text(printable(text), style)


def state_text(state: str) -> Text:
    """A state in its colour."""
    return paint(state, _STATE_STYLES.get(state, ""))


def print_line(*parts: Cell, indent: int = 0) -> None:
    """Print one line: strings as they are (escaped), ``Text`` in its colours."""
    line = Text(" " * indent)
    for part in parts:
        line.append_text(part if isinstance(part, Text) else Text(printable(part)))
    _console(sys.stdout).print(line)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, none: str) -> None:
    """Print ``rows`` under their ``headings``, or the sentence ``none`` if there are none."""
    cells = [
        [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in rows
    ]
    if not cells:
        print_line(none)
        return
    console = _console(sys.stdout)
    if console.is_terminal:
        table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in table.columns:
            column.overflow = "fold"
        for row in cells:
            table.add_row(*row)
        console.print(table, soft_wrap=False)
        return
    heads = [heading.upper() for heading in headings]
    widths = [
        max(cell_len(text) for text in column)
        for column in zip(heads, *([cell.plain for cell in row] for row in cells), strict=True)
    ]
    for line in (heads, *([cell.plain for cell in row] for row in cells)):
        padded = (
            text + " " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True)
        )
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def print_facts(facts: Iterable[tuple[str, Cell]], *, width: int) -> None:
    """Print what is so about one thing, a line each, under its names."""
    for name, value in facts:
        print_line(f"{name:<{width}}", value)


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document. Only ASCII, which every reader and every locale can take."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def complain(sentence: str) -> None:
    """Tell on stderr what went wrong, in one line for each line of ``sentence``."""
    console = _console(sys.stderr)
    for line in sentence.splitlines() or [""]:
        console.print(Text(printable(line)))


# --- amounts and times in words --------------------------------------------------------------


def amount(count: int, singular: str, plural: str | None = None) -> str:
    """``1 trunk``, ``2 trunks``, ``0 replies``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def spoken(seconds: float) -> str:
    """A duration as a person says it: ``12 s``, ``4 min``, ``3 h 20 min``, ``5 days``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def for_how_long(since_ms: float | None, *, now: float | None = None) -> str:
    """``for 4 min``, or nothing if it is not known since when."""
    if since_ms is None:
        return ""
    return f"for {spoken((time.time() if now is None else now) - since_ms / 1000)}"


def ago(moment_ms: float | None, *, now: float | None = None) -> str:
    """``4 min ago``, or ``never``."""
    if moment_ms is None:
        return "never"
    return f"{spoken((time.time() if now is None else now) - moment_ms / 1000)} ago"


def clock_time(moment_ms: float) -> str:
    """A moment in the reader's own time zone, to the second: ``2026-03-15 18:14:11``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment_ms / 1000))
    except (OverflowError, OSError, ValueError):
        return f"{moment_ms:.0f} ms"

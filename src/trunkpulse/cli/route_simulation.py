"""``trunkpulse routes simulate``: where calls would go, and what a supposed outage would change.

A long log goes to the service in pieces, as it is read; what they come to is added up here. How
many calls there were at once is counted here too, because calls of one piece may last into the
next.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from trunkpulse.cli.connection import Api, over_api
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import print_json
from trunkpulse.cli.simulation_totals import Totals
from trunkpulse.cli.simulation_view import print_totals
from trunkpulse.cli.stream_options import pair
from trunkpulse.config.maintenance import zone_name
from trunkpulse.config.wording import printable, shown
from trunkpulse.model import Direction, zone_of
from trunkpulse.routing.call_log import (
    COLUMNS,
    LONGEST_CELL_CHARACTERS,
    BadCallLog,
    Call,
    CallLog,
    Unread,
    read_call,
)

__all__ = ["simulate"]

PATH: Final = "/api/v2/routing/simulate"
CALLS_PER_PIECE: Final = 10_000
BYTES_PER_PIECE: Final = 1 << 20
"""As JSON it is twice as much at most."""
PLACE: Final = "row"
"""A column that the service passes over. It is never empty, so a call of which every cell that is
read is empty is a call of the piece too, and places go on as they are."""
MOST_CALLS: Final = 1_000_000
PIECE_SECONDS: Final = 120.0
"""How long a piece may take while probes go first."""


class Piece(NamedTuple):
    """Some calls, as the service takes them."""

    body: dict[str, object]
    calls: Sequence[Call | Unread]


@over_api
def simulate(
    api: Api,
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NUMBER]...", help="Numbers that are called; or use --log."),
    ] = None,
    *,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="Calls as CSV, or - for standard input. The first line names the columns: to is"
            " needed; from, time, direction, region and seconds are read too.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=HEADING",
            help="What the log calls one of these columns, such as to=dst; may be given again.",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="Whose clocks the times of the log go by that have no offset, such as"
            " Europe/Berlin; otherwise UTC.",
        ),
    ] = None,
    suppose: Annotated[
        list[str] | None,
        typer.Option(
            "--suppose",
            metavar="WHOSE=STATE",
            help="Such as carrier-a=DOWN, carrier:acme=DOWN, region:us-east=DOWN or all=UNKNOWN;"
            " may be given again.",
        ),
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Which way calls go that do not say it.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Where calls are that do not say it.")] = None,
    country: Annotated[
        str | None,
        typer.Option(metavar="CC", help="Where numbers without a plus are dialled, such as US."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
) -> None:
    """Say where calls would go now, or if some trunks were in another state.

    Nothing is changed by it. Ends with 1 if calls are lost; with --suppose, if it loses any.
    """
    if bool(numbers) == (log is not None):
        raise WrongUsage("Name the numbers that are called, or a file of calls with --log.")
    if log is None and timezone is not None:
        raise WrongUsage(
            "--timezone is of the times of a log; give it with --log, or leave it out."
        )
    called = dict(_column(each) for each in column or ())
    zone = UTC if timezone is None else _zone(timezone)
    asked: dict[str, object] = {
        "suppose": suppose,
        "timezone": timezone,
        "direction": direction,
        "region": region,
        "country": country,
        "seed": seed,
    }
    question = {name: value for name, value in asked.items() if value is not None}
    totals = Totals()
    if log is None:
        for piece in _of_numbers(numbers or []):
            _ask(api, question, piece, totals)
        passed_over: Sequence[str] = ()
    else:
        with _opened(log) as text:
            passed_over = _ask_all(api, question, text, totals, called=called, zone=zone)
    if api.as_json:
        print_json(totals.document(seed))
    else:
        print_totals(totals, passed_over)
    raise typer.Exit(1 if totals.calls_lost_by_this() else 0)


def _column(text: str) -> tuple[str, str]:
    name, heading = pair("--column", text)
    if name not in COLUMNS:
        raise WrongUsage(
            f"--column names {shown(name)}, which is not read; give one of {', '.join(COLUMNS)}."
        )
    return name, heading


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(zone_name(name))
    except ValueError as problem:
        raise WrongUsage(f"--timezone {problem}.") from None


def _ask_all(
    api: Api,
    question: dict[str, object],
    text: TextIO,
    totals: Totals,
    *,
    called: Mapping[str, str],
    zone: tzinfo,
) -> Sequence[str]:
    """Send the log piece by piece; gives the columns that were passed over."""
    try:
        calls = CallLog(text, called=called, zone=zone)
        with _progress() as show:
            for piece in _of_log(calls):
                _ask(api, question, piece, totals)
                show(totals.sent)
    except BadCallLog as refused:
        raise WrongUsage(f"The log cannot be read: {refused}") from None
    except UnicodeDecodeError:
        raise WrongUsage("The log is not UTF-8; save it in that encoding.") from None
    return calls.passed_over


def _ask(api: Api, question: dict[str, object], piece: Piece, totals: Totals) -> None:
    body = {**question, **piece.body, "first": totals.sent, "choices": True}
    totals.add(api.post(PATH, body, deadline_seconds=PIECE_SECONDS), piece.calls)


def _of_numbers(numbers: Sequence[str]) -> Iterator[Piece]:
    for at in range(0, len(numbers), CALLS_PER_PIECE):
        some = numbers[at : at + CALLS_PER_PIECE]
        calls = [Call(row, number) for row, number in enumerate(some, at + 1)]
        yield Piece({"numbers": list(some)}, calls)


def _of_log(log: CallLog) -> Iterator[Piece]:
    """The log in pieces, with the columns that are read alone."""
    used = log.used
    text, calls = _begun(used), list[Call | Unread]()
    for row, cells in enumerate(log.rows(), 1):
        if row > MOST_CALLS:
            raise WrongUsage(
                f"The log has more than {MOST_CALLS:,} calls; part it and simulate the parts."
            )
        # One character more than is read still shows that a cell is too long.
        short = [cell[: LONGEST_CELL_CHARACTERS + 1] for cell in cells]
        csv.writer(text).writerow([row, *short])
        calls.append(read_call(row, used, short, log.zone))
        if len(calls) == CALLS_PER_PIECE or text.tell() >= BYTES_PER_PIECE // 4:
            yield Piece({"log": text.getvalue()}, calls)
            text, calls = _begun(used), []
    if calls:
        yield Piece({"log": text.getvalue()}, calls)


def _begun(columns: Sequence[str]) -> io.StringIO:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([PLACE, *columns])
    return text


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if str(file) == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            # The locale of a container often lets bytes through that are no text.
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict", newline="")
        yield sys.stdin
        return
    try:
        text = file.open(encoding="utf-8-sig", newline="")
    except OSError as problem:
        raise WrongUsage(
            f"The file {printable(str(file))} cannot be read ({problem.strerror}); check its path."
        ) from problem
    with text:
        yield text


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Says on a terminal how many calls have been decided."""
    if not sys.stderr.isatty():
        yield lambda _calls: None
        return
    columns = (BarColumn(), TextColumn("{task.completed:,} calls"))
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda calls: progress.update(task, completed=calls)

"""``trunkpulse maintenance``: when work on trunks is planned, so that nobody is woken."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from trunkpulse.cli.advice import print_advice
from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import Cell, clock_time, paint, print_json, print_line, print_table
from trunkpulse.config.wording import shown
from trunkpulse.model import Weekday

__all__ = ["maintenance"]

PATH = "/api/v2/telephony/maintenance"

_SPAN: Final = re.compile(r"(\d{1,5})([mhd])")
_UNITS: Final = {"m": 60, "h": 3600, "d": 24 * 3600}

maintenance = typer.Typer(
    help="Planned work on trunks, during which alerts are silent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

WindowId = Annotated[str, typer.Argument(metavar="ID", help="The window's id.")]


@maintenance.command("list")
@over_api
def list_windows(api: Api) -> None:
    """List maintenance windows, those that are over too."""
    found = [window for page in api.pages(PATH) for window in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [window.members for window in found], "nextCursor": None})
        return
    print_table(
        ("id", "now", "only", "when", "next", "declared in"),
        (
            (
                window.text("id"),
                _now(window),
                _only(window),
                _when(window),
                _moment(window.number_or_none("next")),
                window.text_or_none("managedBy") or "the API",
            )
            for window in found
        ),
        none="No maintenance is planned.",
    )


@maintenance.command()
@over_api
def add(
    api: Api,
    window_id: WindowId,
    *,
    name: Annotated[str | None, typer.Option(help="What is done, for people.")] = None,
    trunk: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this trunk; may be given again.")
    ] = None,
    carrier: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only this carrier's; may be given again."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only this region's; may be given again."),
    ] = None,
    starts: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="As '2026-12-06 02:00'; without it now."),
    ] = None,
    ends: Annotated[str | None, typer.Option(metavar="MOMENT", help="As --starts.")] = None,
    lasts: Annotated[
        str | None,
        typer.Option("--for", metavar="SPAN", help="Instead of --ends: as 90m, 2h or 1d."),
    ] = None,
    daily: Annotated[bool, typer.Option("--daily", help="Again each day, from --at.")] = False,
    weekly: Annotated[
        list[Weekday] | None,
        typer.Option(
            metavar="DAY", help="Again on this day (monday, …), from --at; may be given again."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="When it begins, if it comes again.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of --at, as Europe/Berlin; without it UTC.")
    ] = None,
) -> None:
    """Plan maintenance on trunks: their trouble wakes nobody, unless it outlasts the window."""
    document: dict[str, object] = {"id": window_id}
    scope = {"trunks": trunk, "carriers": carrier, "regions": region}
    document |= {key: values for key, values in scope.items() if values}
    if name is not None:
        document["name"] = name
    if daily or weekly:
        if starts or ends:
            raise WrongUsage("A window that comes again has --at and --for, no --starts or --ends.")
        document |= _again(daily=daily, weekly=weekly or [], at=at, lasts=lasts)
        if time_zone is not None:
            document["timeZone"] = time_zone
    else:
        if at or time_zone:
            raise WrongUsage("--at and --time-zone are for windows that come again; give --starts.")
        document |= _once(starts, ends, lasts, datetime.now(UTC).astimezone())
    window = api.post(PATH, document)
    if api.as_json:
        print_json(window.members)
        return
    until = window.number_or_none("until")
    when = f"goes on until {clock_time(until)}" if until is not None else "is planned"
    print_line(f"Maintenance {window.text('id')} {when}: {_only(window)}.")
    print_advice(window)


@maintenance.command()
@over_api
def remove(api: Api, window_id: WindowId) -> None:
    """Call maintenance off, or end it; trunks that are down by now are told."""
    api.delete(f"{PATH}/{segment(window_id)}")
    if not api.as_json:
        print_line(f"Maintenance {window_id} is removed.")


def _again(
    *, daily: bool, weekly: list[Weekday], at: str | None, lasts: str | None
) -> dict[str, object]:
    if daily and weekly:
        raise WrongUsage("A window is either daily or weekly; leave out --daily or --weekly.")
    if at is None or lasts is None:
        raise WrongUsage("A window that comes again needs --at, such as 02:00, and --for.")
    again: dict[str, object] = {"at": at, "durationSeconds": _seconds(lasts)}
    if daily:
        return {"repeat": "daily", **again}
    return {"repeat": "weekly", "days": [day.value for day in weekly], **again}


def _once(
    starts: str | None, ends: str | None, lasts: str | None, now: datetime
) -> dict[str, object]:
    if (ends is None) is (lasts is None):
        raise WrongUsage("Say when the maintenance is over: either --ends or --for.")
    begin = now if starts is None else _moment_of(starts, "--starts")
    if lasts is not None:
        end = begin + timedelta(seconds=_seconds(lasts))
    else:
        end = _moment_of(ends or "", "--ends")
    return {"starts": begin.isoformat(), "ends": end.isoformat()}


def _moment_of(text: str, option: str) -> datetime:
    """A moment; without an offset it is the reader's own time."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise WrongUsage(
            f"{option} {shown(text)} is no moment; write such as '2026-12-06 02:00'."
        ) from None


def _seconds(span: str) -> int:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise WrongUsage(f"--for {shown(span)} is no span of time; write such as 90m, 2h or 1d.")
    return int(found[1]) * _UNITS[found[2]]


def _now(window: Document) -> Cell:
    until = window.number_or_none("until")
    return "-" if until is None else paint(f"until {clock_time(until)}", "yellow")


def _only(window: Document) -> str:
    parts = [
        f"{word} {', '.join(window.texts(key))}"
        for word, key in (("trunks", "trunks"), ("carriers", "carriers"), ("regions", "regions"))
        if window.texts(key)
    ]
    return "; ".join(parts) or "all trunks"


def _when(window: Document) -> str:
    repeat = window.text_or_none("repeat")
    if repeat is None:
        starts, ends = (_moment(window.number_or_none(key)) for key in ("starts", "ends"))
        return f"{starts} to {ends}"
    days = ", ".join(window.texts("days")) or "every day"
    minutes = (window.number_or_none("durationSeconds") or 0) / 60
    return f"{days} at {window.text('at')} for {minutes:g} min ({window.text('timeZone')})"


def _moment(moment_ms: float | None) -> str:
    return "-" if moment_ms is None else clock_time(moment_ms)

"""``trunkpulse events``: the changes that were recorded, and those that happen now."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, ConnectionBroken, over_api
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed
from trunkpulse.cli.output import Cell, amount, clock_time, complain, paint, print_line, state_text

__all__ = ["events"]

PATH = "/api/v2/events"

_PAGE: Final = 1000
_RECONNECT_SECONDS: Final = 2.0

events = typer.Typer(help="The log of state changes.", no_args_is_help=True, rich_markup_mode=None)


@events.callback()
def _group() -> None:
    """Make this a group although it has one command."""


@events.command()
@over_api
def tail(
    api: Api,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Begin after this place in the log.")
    ] = None,
    trunk: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Only the changes of this trunk, or prober:INSTANCE for its own."
        ),
    ] = None,
    number: Annotated[
        int, typer.Option("-n", "--number", min=0, help="How many to begin with, the latest ones.")
    ] = 20,
) -> None:
    """Show the latest recorded changes, oldest first; with --json one event per line."""
    latest: deque[Document] = deque(maxlen=number)
    cursor = _before_the_latest(api, number, trunk) if after is None else after
    while True:
        answer = api.get(PATH, {"after": cursor, "limit": _PAGE, "trunkId": trunk})
        page = answer.documents("entities")
        cursor = answer.text("nextCursor")
        latest.extend(page)
        if len(page) < _PAGE:
            break
    for event in latest:
        _print_event(api, event)
    if follow:
        _follow(api, cursor, trunk)


def _before_the_latest(api: Api, number: int, trunk: str | None) -> str | None:
    """The place in the log that the latest ``number`` events come after; None: its beginning.

    Reading forward from a place, and not the newest page alone, ends at a place to follow from:
    nothing that happens in between is missed.
    """
    cursor: str | None = None
    wanted = number + 1
    while wanted > 0:
        size = min(wanted, _PAGE)
        asked = {"order": "desc", "after": cursor, "limit": size, "trunkId": trunk}
        cursor = api.get(PATH, asked).text_or_none("nextCursor")
        if cursor is None:
            break
        wanted -= size
    return cursor


def _follow(api: Api, cursor: str, trunk: str | None) -> None:
    """Print events as they are recorded; a broken connection is taken up where it broke."""
    pause = threading.Event()  # nobody sets it; Ctrl-C interrupts it
    told = False
    while True:
        sys.stdout.flush()
        try:
            for position, data in api.live(f"{PATH}/live", {"after": cursor, "trunkId": trunk}):
                cursor, told = position or cursor, False
                _print_event(api, _read(data))
                sys.stdout.flush()
        except ConnectionBroken as problem:
            if not told:
                complain(f"{problem} It is tried again until Ctrl-C.")
            told = True
        pause.wait(_RECONNECT_SECONDS)


def _read(data: str) -> Document:
    try:
        return Document(json.loads(data), "event")
    except ValueError as problem:
        raise CommandFailed(
            "The service sent an event that is not JSON; check that --url names a trunkpulse."
        ) from problem


def _print_event(api: Api, event: Document) -> None:
    if api.as_json:
        sys.stdout.write(json.dumps(event.members) + "\n")
        return
    failed = event.document("metadata").number_or_none("failedAttempts")
    parts: list[Cell] = [
        clock_time(event.number("timestamp")),
        "  ",
        paint(event.text("entityId"), "bold"),
        "  ",
        state_text(event.text("previousState")),
        " -> ",
        state_text(event.text("state")),
        f"  {event.text('reasonCode')}",
    ]
    if failed:
        parts.append(f" after {amount(int(failed), 'failed attempt')}")
    print_line(*parts)

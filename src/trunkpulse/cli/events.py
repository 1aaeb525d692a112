"""``trunkpulse events``: the changes that were recorded, and those that happen now."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, ConnectionBroken, over_api
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed
from trunkpulse.cli.moments import MOMENT, moment_ms
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    complain,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)

__all__ = ["events"]

PATH = "/api/v2/events"

_PAGE: Final = 1000
_ROUNDS: Final = 100
"""Requests of a search with filters, at most: for each, the service looks at 10,000 events."""
_RECONNECT_SECONDS: Final = 2.0

Filters = Mapping[str, str | None]
"""By the API's names; None: it does not matter."""

Trunk = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Only of this trunk, or prober:INSTANCE or stream:ID for what happens to those.",
    ),
]
Type = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type.")
]
Carrier = Annotated[
    str | None, typer.Option(metavar="LABEL", help="Only of trunks that have this carrier now.")
]
Region = Annotated[str | None, typer.Option(metavar="LABEL", help="Only of this region.")]
State = Annotated[
    str | None, typer.Option(metavar="STATE", help="Only changes that lead to this state.")
]
Reason = Annotated[str | None, typer.Option(metavar="CODE", help="Only changes for this reason.")]

events = typer.Typer(help="The log of state changes.", no_args_is_help=True, rich_markup_mode=None)


@events.command("list")
@over_api
def list_events(
    api: Api,
    *,
    trunk: Trunk = None,
    event_type: Type = None,
    carrier: Carrier = None,
    region: Region = None,
    state: State = None,
    reason: Reason = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar=MOMENT, help="Only then or later: a date, a time, or 2h."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar=MOMENT, help="Only before then.")
    ] = None,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="Begin at the oldest one.")
    ] = False,
    number: Annotated[
        int, typer.Option("-n", "--number", min=1, max=100_000, help="How many at most.")
    ] = 50,
) -> None:
    """List recorded changes, the newest first."""
    filters = _filters(
        trunk=trunk,
        event_type=event_type,
        carrier=carrier,
        region=region,
        state=state,
        reason=reason,
    )
    asked: dict[str, str | int | None] = {
        **filters,
        "from": None if since is None else moment_ms(since, "--from"),
        "to": None if until is None else moment_ms(until, "--to"),
        "order": "asc" if oldest_first else "desc",
    }
    found: list[Document] = []
    cursor: str | None = None
    for _ in range(_ROUNDS):
        answer = api.get(PATH, {**asked, "limit": min(_PAGE, number - len(found))})
        found += answer.documents("entities")
        cursor = answer.text_or_none("nextCursor")
        if cursor is None or cursor == asked.get("after") or len(found) >= number:
            break
        asked["after"] = cursor
    if api.as_json:
        entities = [event.members for event in found]
        print_json({"entities": entities, "nextCursor": cursor})
        return
    print_table(
        ("when", "what", "from", "to", "reason", "failed"),
        (_row(event) for event in found),
        none="There are no such events.",
    )


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
    trunk: Trunk = None,
    event_type: Type = None,
    carrier: Carrier = None,
    region: Region = None,
    state: State = None,
    reason: Reason = None,
    number: Annotated[
        int, typer.Option("-n", "--number", min=0, help="How many to begin with, the latest ones.")
    ] = 20,
) -> None:
    """Show the latest recorded changes, oldest first; with --json one event per line."""
    filters = _filters(
        trunk=trunk,
        event_type=event_type,
        carrier=carrier,
        region=region,
        state=state,
        reason=reason,
    )
    latest: deque[Document] = deque(maxlen=number)
    cursor, rounds = after, _ROUNDS
    if cursor is None:
        cursor, rounds = _before_the_latest(api, number, filters)
    while True:
        answer = api.get(PATH, {**filters, "after": cursor, "limit": _PAGE})
        page = answer.documents("entities")
        before, cursor = cursor, answer.text("nextCursor")
        latest.extend(page)
        rounds -= 1
        # With filters a page may be short and not the last. While the log grows, there is always
        # more; what was there when we began to look is behind us after so many rounds.
        if cursor == before or (len(page) < _PAGE and (not any(filters.values()) or rounds <= 0)):
            break
    for event in latest:
        _print_event(api, event)
    if follow:
        _follow(api, cursor, filters)


def _filters(
    *,
    trunk: str | None,
    event_type: str | None,
    carrier: str | None,
    region: str | None,
    state: str | None,
    reason: str | None,
) -> Filters:
    return {
        "trunkId": trunk,
        "eventType": event_type,
        "carrier": carrier,
        "region": region,
        "state": state and state.upper(),
        "reasonCode": reason and reason.upper(),
    }


def _before_the_latest(api: Api, number: int, filters: Filters) -> tuple[str | None, int]:
    """The place in the log that the latest ``number`` events come after; None: its beginning.

    With it in how many rounds the log's present end is reached from there. Reading forward from a
    place, and not the newest page alone, ends at a place to follow from: nothing that happens in
    between is missed.
    """
    cursor: str | None = None
    wanted = number + 1
    for back in range(1, _ROUNDS + 1):
        asked = {**filters, "order": "desc", "after": cursor, "limit": min(wanted, _PAGE)}
        answer = api.get(PATH, asked)
        wanted -= len(answer.documents("entities"))
        cursor = answer.text_or_none("nextCursor")
        if cursor is None or wanted <= 0:
            return cursor, back + 1
    return cursor, _ROUNDS + 1


def _follow(api: Api, cursor: str, filters: Filters) -> None:
    """Print events as they are recorded; a broken connection is taken up where it broke."""
    pause = threading.Event()  # nobody sets it; Ctrl-C interrupts it
    told = False
    while True:
        sys.stdout.flush()
        try:
            for position, data in api.live(f"{PATH}/live", {**filters, "after": cursor}):
                cursor = position or cursor
                message = _read(data)
                if "eventType" not in message.members:
                    complain(message.text("detail"))  # the last one: why the stream ends
                    told = True
                    continue
                told = False
                _print_event(api, message)
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


def _row(event: Document) -> tuple[Cell, ...]:
    failed = event.document("metadata").number_or_none("failedAttempts")
    return (
        clock_time(event.number("timestamp")),
        paint(event.text("entityId"), "bold"),
        state_text(event.text("previousState")),
        state_text(event.text("state")),
        event.text("reasonCode"),
        f"{failed:g}" if failed else "",
    )


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

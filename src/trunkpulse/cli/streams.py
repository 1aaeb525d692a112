"""``trunkpulse streams``: where events are delivered, how well that goes, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    paint,
    print_facts,
    print_json,
    print_line,
    print_table,
)
from trunkpulse.cli.stream_deliveries import register
from trunkpulse.cli.stream_options import described
from trunkpulse.config.wording import shown

__all__ = ["streams"]

PATH = "/api/v2/events/streams"

StreamId = Annotated[str, typer.Argument(metavar="ID", help="The stream's id.")]

streams = typer.Typer(
    help="Event streams and their deliveries.", no_args_is_help=True, rich_markup_mode=None
)


_FAREWELL_SECONDS = 60.0
"""Longer than the service takes to resolve alerts of a stream, and to drop what waits for it."""

COUNTS = ("delivered", "retried", "parked", "dead")
"""What became of a stream's deliveries, as the API names it."""

_FILTERS = {
    "trunks": "trunks",
    "carriers": "carriers",
    "regions": "regions",
    "directions": "directions",
    "states": "states",
}
_SHOWN_APART = ("type", "url", "hasSecret", "hasPreviousSecret", "headerNames")


@streams.command("list")
@over_api
def list_streams(api: Api) -> None:
    """List event streams and what has been delivered to each."""
    found = [stream for page in api.pages(PATH) for stream in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [stream.members for stream in found], "nextCursor": None})
        return
    print_table(
        ("id", "status", "destination", "only", "reasons", *COUNTS, "trouble"),
        (tuple(_row(stream)) for stream in found),
        none="There are no event streams.",
    )


@streams.command()
@over_api
def show(api: Api, stream_id: StreamId) -> None:
    """Show one event stream: what it takes, where that goes, and what became of it."""
    stream = api.get(f"{PATH}/{segment(stream_id)}")
    if api.as_json:
        print_json(stream.members)
        return
    print_line(paint(stream.text("id"), "bold"), "  ", _status(stream))
    print_line()
    print_facts(_facts(stream), width=13)


@streams.command()
@over_api
@described
def create(api: Api, stream_id: StreamId, document: dict[str, object]) -> None:
    """Make an event stream; it is told of what happens from now on."""
    stream = api.post(PATH, {**document, "id": stream_id})
    _say(api, stream, "is made")


@streams.command()
@over_api
@described
def update(
    api: Api,
    stream_id: StreamId,
    *,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEMBER",
            help="Take away what was said of carriers, or destination.secret, or another member of"
            " its JSON; may be given again.",
        ),
    ] = None,
    document: dict[str, object],
) -> None:
    """Change an event stream; what is not named stays as it is."""
    for member in clear or ():
        _clear(document, member)
    if not document:
        raise WrongUsage(
            "Nothing is to be changed; 'trunkpulse streams update --help' says what can be."
        )
    _say(api, api.patch(f"{PATH}/{segment(stream_id)}", document), "is changed")


@streams.command()
@over_api
def pause(api: Api, stream_id: StreamId) -> None:
    """Deliver nothing more for now; what happens meanwhile is kept."""
    _say(api, api.post(f"{PATH}/{segment(stream_id)}/pause"), "is paused")


@streams.command()
@over_api
def resume(api: Api, stream_id: StreamId) -> None:
    """Deliver again, first of all what has been kept."""
    _say(api, api.post(f"{PATH}/{segment(stream_id)}/resume"), "is delivered to")


@streams.command()
@over_api
def disable(api: Api, stream_id: StreamId) -> None:
    """Tell a stream nothing new; the recoveries that it is owed wait for it."""
    _say(api, api.post(f"{PATH}/{segment(stream_id)}/disable"), "is disabled")


@streams.command()
@over_api
def enable(api: Api, stream_id: StreamId) -> None:
    """Tell a stream again of what happens from now on."""
    _say(api, api.post(f"{PATH}/{segment(stream_id)}/enable"), "is enabled")


@streams.command()
@over_api
def delete(api: Api, stream_id: StreamId) -> None:
    """Delete an event stream with all that waits for it; its open alerts are resolved first."""
    api.delete(f"{PATH}/{segment(stream_id)}", deadline_seconds=_FAREWELL_SECONDS)
    if api.as_json:
        print_json({"id": stream_id, "deleted": True})
    else:
        print_line(f"{stream_id} is deleted.")


register(streams)


def _say(api: Api, stream: Document, done: str) -> None:
    if api.as_json:
        print_json(stream.members)
    else:
        print_line(f"{stream.text('id')} {done}; its status is ", _status(stream), ".")


def _clear(document: dict[str, object], member: str) -> None:
    """Have ``member`` (``carriers``, ``destination.secret``) taken away by a merge patch."""
    place = document
    *path, last = member.split(".")
    for name in path:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise WrongUsage(f"--clear {shown(member)} is within what another option sets.")
        place = inner
    place[last] = None


def _status(stream: Document) -> Cell:
    if not stream.flag("enabled"):
        return paint("disabled", "dim")
    if stream.text_or_none("withheld") is not None:
        return paint("withheld", "bold red")
    trouble = stream.document_or_none("trouble")
    if trouble is not None and trouble.number_or_none("disabledSince") is not None:
        return paint("given up", "bold red")
    return paint("paused", "yellow") if stream.flag("paused") else paint("active", "green")


def _only(stream: Document) -> str:
    """The filters that are set, in a few words."""
    set_ones = (
        f"{name} {', '.join(values)}"
        for key, name in _FILTERS.items()
        if (values := stream.texts(key))
    )
    return "; ".join(set_ones) or "all"


def _row(stream: Document) -> Iterator[Cell]:
    destination = stream.document("destination")
    yield stream.text("id")
    yield _status(stream)
    yield f"{destination.text('type')} {destination.text('url')}".rstrip()
    yield _only(stream)
    yield ", ".join(stream.texts("reasonCodes"))
    if stream.members.get("delivery") is None:
        yield from (*("-" for _ in COUNTS), "")
    else:
        delivery = stream.document("delivery")
        for key in COUNTS:
            yield f"{delivery.number(key):g}"
        yield delivery.text_or_none("lastError") or ""


def _facts(stream: Document) -> Iterator[tuple[str, str]]:
    yield "name", stream.text("name")
    yield "takes", ", ".join(stream.texts("eventTypes"))
    yield "only", _only(stream)
    yield "reasons", ", ".join(stream.texts("reasonCodes"))
    destination = stream.document("destination")
    yield "destination", f"{destination.text('type')} {destination.text('url')}".rstrip()
    before = " and the one before" if destination.flag("hasPreviousSecret") else ""
    yield "secrets", ("a secret" if destination.flag("hasSecret") else "no secret") + before
    if names := destination.texts("headerNames"):
        yield "headers", ", ".join(names)
    for name, value in destination.members.items():
        if name not in _SHOWN_APART:
            yield name, str(value)
    if alerts := stream.document_or_none("alerts"):
        grouped = ", ".join(alerts.texts("groupBy")) or "nothing, one for each trunk"
        yield (
            "alerts",
            (f"grouped by {grouped}; the first after {alerts.number('groupWaitSeconds'):g} s"),
        )
    yield "managed by", stream.text_or_none("managedBy") or "the API"
    if delivery := stream.document_or_none("delivery"):
        counted = ", ".join(f"{delivery.number(key):g} {key}" for key in COUNTS)
        waiting = amount(int(delivery.number("inFlight")), "delivery", "deliveries")
        yield "deliveries", f"{counted}; {waiting} under way"
        if said := delivery.text_or_none("lastError"):
            yield "last error", said
    if withheld := stream.text_or_none("withheld"):
        yield "withheld", withheld
    if trouble := stream.document_or_none("trouble"):
        yield "trouble", _trouble(trouble)


def _trouble(trouble: Document) -> str:
    """Since when a destination only fails, and what follows from that."""
    since = clock_time(trouble.number("failingSince"))
    given_up = trouble.number_or_none("disabledSince")
    if given_up is None:
        return f"it only fails since {since} ({trouble.text('detail')})"
    return (
        f"given up on {clock_time(given_up)} after it only failed since {since}"
        f" ({trouble.text('detail')}); 'trunkpulse streams enable' sends what waits"
    )

"""``trunkpulse streams test``, ``deliveries``, ``delivery``, ``retry``, ``replay``.

What became of a stream's deliveries, and how to have them made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.moments import MOMENT, moment_ms
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    paint,
    print_json,
    print_line,
    print_table,
)
from trunkpulse.config.wording import shown
from trunkpulse.ports import DeliveryState

__all__ = ["register"]

PATH: Final = "/api/v2/events/streams"
_PAGE: Final = 1000
_TRIAL_DEADLINE_SECONDS: Final = 40.0
"""Longer than the service waits for the destination."""
_STYLES: Final = {"delivered": "green", "parked": "yellow", "dead": "bold red", "retry": "yellow"}

StreamId = Annotated[str, typer.Argument(metavar="ID", help="The stream's id.")]
DeliveryId = Annotated[
    int, typer.Argument(metavar="DELIVERY", min=1, help="The delivery's number in the list.")
]


def register(streams: typer.Typer) -> None:
    """Put these commands beside those that say which streams there are."""
    for command in (test, deliveries, delivery, retry, replay):
        streams.command()(over_api(command))


def test(api: Api, stream_id: StreamId) -> None:
    """Send a test event straight to the destination and say what it answered."""
    answer = api.post(f"{_stream(stream_id)}/test", deadline_seconds=_TRIAL_DEADLINE_SECONDS)
    accepted = answer.text("outcome") == "accepted"
    if api.as_json:
        print_json(answer.members)
    else:
        detail = answer.text("detail") or answer.text("outcome")
        took = f" after {answer.number('durationMs'):g} ms"
        print_line(paint(detail, "green" if accepted else "bold red"), took)
        _print_said(answer)
    if not accepted:
        raise CommandFailed(
            f"The destination of {stream_id} did not take the test event; correct it, and test"
            " it again."
        )


def deliveries(
    api: Api,
    stream_id: StreamId,
    *,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help=f"Only deliveries in this state: {', '.join(DeliveryState)}; dead letters are"
            " dead.",
        ),
    ] = None,
    trunk: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only events of this trunk; alert:ID for an alert."),
    ] = None,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=_PAGE, help="How many, newest first.")
    ] = 20,
) -> None:
    """List the deliveries to a stream, newest first.

    Settled is when it was delivered, given up or last parked.
    """
    if state is not None and state not in set(DeliveryState):
        raise WrongUsage(f"--state must be one of {', '.join(DeliveryState)}, not {shown(state)}.")
    query = {"state": state, "trunkId": trunk, "limit": limit}
    page = api.get(f"{_stream(stream_id)}/deliveries", query)
    if api.as_json:
        print_json(page.members)
        return
    print_table(
        ("delivery", "recorded", "of", "state", "attempts", "next", "settled", "said"),
        (tuple(_row(each)) for each in page.documents("entities")),
        none="There are no such deliveries.",
    )


def delivery(api: Api, stream_id: StreamId, delivery_id: DeliveryId) -> None:
    """Show one delivery, and what was said on each attempt."""
    found = api.get(f"{_stream(stream_id)}/deliveries/{delivery_id}")
    if api.as_json:
        print_json(found.members)
        return
    print_line(
        "event      ", paint(found.text("eventId"), "bold"), "  ", _state(found.text("state"))
    )
    print_line(f"of         {_of(found)}")
    print_line(f"recorded   {clock_time(found.number('recorded'))}")
    if (asked_ms := found.number_or_none("replayed")) is not None:
        print_line(f"replayed   {clock_time(asked_ms)}")
    if (due_ms := found.number_or_none("due")) is not None:
        print_line(f"due        {clock_time(due_ms) if due_ms else 'now'}")
    if (settled_ms := found.number_or_none("settled")) is not None:
        print_line(f"settled    {clock_time(settled_ms)}")
    said = found.documents("said")
    for attempt in said:
        print_line()
        print_line(
            f"attempt {attempt.number('attempt'):g}  {clock_time(attempt.number('at'))}  ",
            _state(attempt.text("result")),
            f"  after {attempt.number('durationMs'):g} ms",
        )
        _print_said(attempt)
    if not said:
        print_line("no attempt is remembered")


def retry(api: Api, stream_id: StreamId, delivery_id: DeliveryId) -> None:
    """Send a dead letter, or a parked delivery, again at once."""
    due = api.post(f"{_stream(stream_id)}/deliveries/{delivery_id}/retry")
    if api.as_json:
        print_json(due.members)
    else:
        print_line(f"Delivery {delivery_id} of {due.text('eventId')} is sent again now.")


def replay(
    api: Api,
    stream_id: StreamId,
    *,
    event: Annotated[
        str | None,
        typer.Option(metavar="ID", help="This event, also if the stream was never told of it."),
    ] = None,
    trunk: Annotated[
        str | None, typer.Option(metavar="ID", help="The events of this trunk.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar=MOMENT, help="Recorded then or later: a date, a time, or 2h for 2 hours ago."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar=MOMENT, help="Recorded before then.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only what has been given up.")] = False,
) -> None:
    """Deliver recorded events again, with the ids that they had and in order per trunk.

    A stream that tells alerts takes events of trunks into them again; what it tells goes by how the
    trunks are now, so nothing is sent of what is over.
    """
    asked: dict[str, object] = {
        "eventId": event,
        "trunkId": trunk,
        "from": None if since is None else moment_ms(since, "--since"),
        "to": None if until is None else moment_ms(until, "--until"),
    }
    body = {key: value for key, value in asked.items() if value is not None}
    if dead:
        body["deadOnly"] = True
    if not body:
        raise WrongUsage(
            "Nothing says which events; give --event, --trunk, --since, --until or --dead."
        )
    replayed = hurried = 0
    while True:
        done = api.post(f"{_stream(stream_id)}/replay", body)
        replayed += int(done.number("replayed"))
        hurried += int(done.number("hurried"))
        cursor = done.text_or_none("nextCursor")
        if cursor is None:
            break
        body["after"] = cursor
    tells_alerts = done.flag("tellsAlerts")
    if api.as_json:
        whole = {"replayed": replayed, "hurried": hurried, "nextCursor": None}
        print_json({**whole, "tellsAlerts": tells_alerts})
        return
    if tells_alerts:
        print_line(
            f"{amount(replayed, 'event is', 'events are')} taken up again by {stream_id}, which"
            " tells alerts: these go by how the trunks are now, and nothing is sent of what is"
            " over."
        )
    else:
        print_line(f"{amount(replayed, 'event is', 'events are')} delivered again.")
    if hurried:
        print_line(f"{amount(hurried, 'parked delivery is', 'parked deliveries are')} sent now.")


def _stream(stream_id: str) -> str:
    return f"{PATH}/{segment(stream_id)}"


def _state(state: str) -> Cell:
    return paint(state, _STYLES.get(state, ""))


def _of(each: Document) -> str:
    """A trunk's id, or what it tells of an alert."""
    kind, entity = each.text_or_none("alert"), each.text("entityId")
    return entity if kind is None else f"{kind} of {entity}"


def _row(each: Document) -> Iterator[Cell]:
    yield f"{each.number('id'):.0f}"
    yield clock_time(each.number("recorded"))
    yield _of(each) if each.number_or_none("replayed") is None else f"{_of(each)} (replayed)"
    yield _state(each.text("state"))
    yield f"{each.number('attempts'):g}"
    due_ms = each.number_or_none("due")
    yield "" if due_ms is None else clock_time(due_ms) if due_ms else "now"
    settled_ms = each.number_or_none("settled")
    yield "" if settled_ms is None else clock_time(settled_ms)
    yield each.text("detail")


def _print_said(said: Document) -> None:
    for name in ("request", "response"):
        for line in filter(None, said.text(name).splitlines()):
            print_line(paint(f"{name:<9}", "dim"), line, indent=2)

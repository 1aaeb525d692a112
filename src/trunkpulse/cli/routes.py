"""``trunkpulse routes``: which trunks take the calls to a number, and who says so."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.isolation_note import note_isolation
from trunkpulse.cli.output import (
    clock_time,
    for_how_long,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)
from trunkpulse.cli.route_changes import register
from trunkpulse.cli.route_simulation import simulate
from trunkpulse.model import Direction

__all__ = ["routes"]

PATH = "/api/v2/routing"

_REASONS: Final = {
    "NO_ROUTE": "No route has this number.",
    "DIRECTION_MISMATCH": "Routes have this number, but none takes calls of this direction; "
    "a call counts as outbound unless --direction says inbound.",
    "REGION_MISMATCH": "Routes have this number, but none serves this region.",
    "OUT_OF_HOURS": "Routes take such calls, but not at this time.",
    "NONE_AVAILABLE": "The route has no trunk left that may be tried.",
}

_SKIPPED: Final = {
    "KEEPALIVE_FAILURE": "it does not answer, or not well",
    "NETWORK_ERROR": "it cannot be reached",
    "ADMIN_DISABLED": "an administrator disabled it",
    "LICENSE_ISSUE": "the licence does not cover it",
    "UNKNOWN_TRUNK": "there is no such trunk",
    "DIRECTION_MISMATCH": "it takes no calls of this direction",
    "DOWN": "it is down",
}

routes = typer.Typer(
    help="Routes, and what they decide.", no_args_is_help=True, rich_markup_mode=None
)


@routes.command("list")
@over_api
def list_routes(api: Api) -> None:
    """List routes: which numbers go over which trunks."""
    found = [route for page in api.pages(f"{PATH}/routes") for route in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [route.members for route in found], "nextCursor": None})
        return
    print_table(
        ("id", "direction", "numbers", "regions", "times", "trunks", "when none is available"),
        (
            (
                route.text("id"),
                route.text("direction"),
                ", ".join(route.texts("numbers")) or "all",
                ", ".join(route.texts("regions")) or "all",
                _times(route) or "always",
                ", ".join(_place(trunk) for trunk in route.documents("trunks")),
                route.text("whenNoneAvailable").replace("_", " "),
            )
            for route in found
        ),
        none="There are no routes.",
    )


@routes.command()
@over_api
def show(
    api: Api, route_id: Annotated[str, typer.Argument(metavar="ID", help="The route's id.")]
) -> None:
    """Show one route: which numbers go over which trunks."""
    route = api.get(f"{PATH}/routes/{segment(route_id)}")
    if api.as_json:
        print_json(route.members)
        return
    for name, value in (
        ("id", route.text("id")),
        ("direction", route.text("direction")),
        ("numbers", ", ".join(route.texts("numbers")) or "all"),
        ("regions", ", ".join(route.texts("regions")) or "all"),
        ("times", _times(route) or "always"),
        ("trunks", ", ".join(_place(trunk) for trunk in route.documents("trunks"))),
        ("if none is up", route.text("whenNoneAvailable").replace("_", " ")),
        ("failback", _failback(route)),
        ("declared in", route.text_or_none("managedBy") or "the API"),
    ):
        print_line(paint(f"{name:<14}", "dim"), value)


@routes.command()
@over_api
def decide(
    api: Api,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number that is called.")],
    *,
    from_number: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="The number that calls.")
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Which way the call goes; outbound unless told.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Where the call is.")] = None,
    country: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Where NUMBER is dialled, such as US, if it has no plus."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**53 - 1,
            help="As things stand, the same seed gives the same order of trunks.",
        ),
    ] = None,
) -> None:
    """Say which trunks a call to NUMBER would try now, in order, and which it would not.

    Ends with 1 if there is no trunk that can take the call.
    """
    question = {
        "to": number,
        "from": from_number,
        "direction": direction,
        "region": region,
        "country": country,
        "seed": seed,
    }
    given = {key: value for key, value in question.items() if value is not None}
    decision = api.post(f"{PATH}/decide", given)
    candidates = decision.documents("candidates")
    if api.as_json:
        print_json(decision.members)
    else:
        note_isolation(api)
        _print_decision(number, decision, candidates)
    raise typer.Exit(0 if candidates else 1)


def _print_decision(number: str, decision: Document, candidates: list[Document]) -> None:
    route = decision.text_or_none("routeId")
    matched = decision.text_or_none("matched")
    reason = decision.text_or_none("reason")
    closed = decision.text_or_none("outOfHours")
    read = decision.text("number")
    if read != number:
        print_line(f"{number} is read as {read}.")
    if closed is not None:
        print_line(
            f"Route {closed} has this number{' too' if route else ''}, but {_hours(decision)}."
        )
    if route is not None:
        print_line(f"{number} goes over route {route}" + (f" ({matched})." if matched else "."))
    if reason is not None:
        print_line(paint(_REASONS.get(reason, reason), "bold red"))
    if candidates and decision.flag("lastResort"):
        print_line(paint("No trunk is known to be up: these are tried as a last resort.", "yellow"))
    if not candidates and not decision.documents("skipped"):
        return
    print_table(
        ("try", "trunk", "state", "since", "priority", "weight", "ramp"),
        (
            (
                str(place),
                trunk.text("trunkId"),
                state_text(trunk.text("state")),
                for_how_long(trunk.number_or_none("since")),
                f"{trunk.number('priority'):g}",
                f"{trunk.number('weight'):g}",
                f"{trunk.number('share'):.0%}",
            )
            for place, trunk in enumerate(candidates, start=1)
        ),
        none="No trunk can take the call.",
    )
    skipped = decision.documents("skipped")
    if skipped:
        print_line()
        print_table(
            ("skipped", "state", "since", "reason"),
            (
                (
                    trunk.text("trunkId"),
                    state_text(trunk.text_or_none("state") or "-"),
                    for_how_long(trunk.number_or_none("since")),
                    _why_skipped(trunk.text("reasonCode")),
                )
                for trunk in skipped
            ),
            none="",
        )


def _why_skipped(code: str) -> str:
    return f"{code}: {_SKIPPED[code]}" if code in _SKIPPED else code


def _times(route: Document) -> str:
    zone = route.text_or_none("timezone")
    times = [
        f"{', '.join(hours.texts('days')) or 'daily'} {hours.text('from')}-{hours.text('to')}"
        for hours in route.documents("times")
    ]
    return "; ".join(times) + (f" ({zone or 'the time zone of [routing]'})" if times else "")


def _hours(decision: Document) -> str:
    """When the route takes calls that is closed now."""
    opening = decision.document_or_none("opening")
    if opening is None:
        return "takes no calls at this time"
    said = f"takes calls only {_times(opening)}"
    opens_at = opening.number_or_none("opensAt")
    if opens_at is None:
        return said
    return f"{said}; it opens next at {clock_time(opens_at)} by the clock here"


def _failback(route: Document) -> str:
    seconds = route.number("failbackRampSeconds")
    return f"over {seconds:g} s" if seconds else "at once"


def _place(trunk: Document) -> str:
    return f"{trunk.text('id')} ({trunk.number('priority'):g}/{trunk.number('weight'):g})"


routes.command()(simulate)
register(routes)

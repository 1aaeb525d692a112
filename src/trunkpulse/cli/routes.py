"""``trunkpulse routes``: which trunks take the calls to a number, and who says so."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.isolation_note import note_isolation
from trunkpulse.cli.output import (
    for_how_long,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)
from trunkpulse.cli.route_changes import register
from trunkpulse.model import Direction

__all__ = ["routes"]

PATH = "/api/v2/routing"

_REASONS: Final = {
    "NO_ROUTE": "No route has this number.",
    "DIRECTION_MISMATCH": "Routes have this number, but none takes calls of this direction.",
    "REGION_MISMATCH": "Routes have this number, but none serves this region.",
    "NONE_AVAILABLE": "The route has no trunk left that may be tried.",
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
        ("id", "direction", "numbers", "regions", "trunks", "when none is available"),
        (
            (
                route.text("id"),
                route.text("direction"),
                ", ".join(route.texts("numbers")) or "all",
                ", ".join(route.texts("regions")) or "all",
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
        ("trunks", ", ".join(_place(trunk) for trunk in route.documents("trunks"))),
        ("if none is up", route.text("whenNoneAvailable").replace("_", " ")),
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
    direction: Annotated[Direction | None, typer.Option(help="Which way the call goes.")] = None,
    region: Annotated[str | None, typer.Option(help="Where the call is.")] = None,
) -> None:
    """Say which trunks a call to NUMBER would try now, in order, and which it would not.

    Ends with 1 if there is no trunk that can take the call.
    """
    question = {"to": number, "from": from_number, "direction": direction, "region": region}
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
    if route is not None:
        print_line(f"{number} goes over route {route}" + (f" ({matched})." if matched else "."))
    if reason is not None:
        print_line(paint(_REASONS.get(reason, reason), "bold red"))
    if candidates and decision.flag("lastResort"):
        print_line(paint("No trunk is known to be up: these are tried as a last resort.", "yellow"))
    if not candidates and not decision.documents("skipped"):
        return
    print_table(
        ("try", "trunk", "state", "priority", "weight"),
        (
            (
                str(place),
                trunk.text("trunkId"),
                state_text(trunk.text("state")),
                f"{trunk.number('priority'):g}",
                f"{trunk.number('weight'):g}",
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
                    trunk.text("reasonCode"),
                )
                for trunk in skipped
            ),
            none="",
        )


def _place(trunk: Document) -> str:
    return f"{trunk.text('id')} ({trunk.number('priority'):g}/{trunk.number('weight'):g})"


register(routes)

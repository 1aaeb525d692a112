"""``trunkpulse routes create``, ``edit`` and ``delete``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import paint, print_json, print_line
from trunkpulse.config.wording import shown
from trunkpulse.model import Direction, WhenNoneAvailable

__all__ = ["register"]

PATH = "/api/v2/routing/routes"

_TIME = re.compile(r"(?:(\S+(?: \S+)*) )?([0-9:]{1,8})-([0-9:]{1,8})")
_RANK = re.compile(r"[0-9]{1,5}")

RouteId = Annotated[str, typer.Argument(metavar="ID", help="The route's id.")]
Numbers = Annotated[
    list[str] | None,
    typer.Option(
        "--number",
        metavar="NUMBER",
        help="A prefix such as +1, a range such as +15551230000-+15551239999, a pattern such as"
        " +1[2-9]XXXXXXXXX or a short number such as 112; may be given again. None: every number.",
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option("--region", help="Only calls of this region; may be given again."),
]
Trunks = Annotated[
    list[str] | None,
    typer.Option(
        "--trunk",
        metavar="ID[:PRIORITY[:WEIGHT]]",
        help="A trunk that takes the calls, such as carrier-a:1:100; may be given again.",
    ),
]
Way = Annotated[Direction | None, typer.Option(help="Which way the calls go.")]
WhenNone = Annotated[
    WhenNoneAvailable | None,
    typer.Option(help="What becomes of a call while every trunk is down."),
]
Times = Annotated[
    list[str] | None,
    typer.Option(
        "--time",
        metavar="[DAYS ]FROM-TO",
        help='When it takes calls, such as "mon-fri 08:00-18:00"; may be given again.',
    ),
]
Zone = Annotated[
    str | None,
    typer.Option("--timezone", metavar="ZONE", help="Whose clocks --time goes by."),
]
Ramp = Annotated[
    float | None,
    typer.Option(
        "--failback-ramp",
        metavar="SECONDS",
        min=0,
        max=3600,
        help="Over how long a trunk that was down takes its share back; 0: at once.",
    ),
]
Clear = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MEMBER", help="Take away what was said of numbers, regions or another member."
    ),
]


def register(routes: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (create, edit, delete):
        routes.command()(over_api(command))


def create(
    api: Api,
    route_id: RouteId,
    *,
    number: Numbers = None,
    region: Regions = None,
    trunk: Trunks = None,
    direction: Way = None,
    when_none_available: WhenNone = None,
    time: Times = None,
    timezone: Zone = None,
    failback_ramp: Ramp = None,
) -> None:
    """Make a route; it takes calls from now on."""
    document = _document(number, region, trunk, direction, when_none_available)
    document.update(_when(time, timezone, failback_ramp))
    if "trunks" not in document:
        raise WrongUsage("A route needs a trunk; name one with --trunk, such as --trunk carrier-a.")
    _say(api, api.post(PATH, {"id": route_id, **document}), "is made")


def edit(
    api: Api,
    route_id: RouteId,
    *,
    number: Numbers = None,
    region: Regions = None,
    trunk: Trunks = None,
    direction: Way = None,
    when_none_available: WhenNone = None,
    time: Times = None,
    timezone: Zone = None,
    failback_ramp: Ramp = None,
    clear: Clear = None,
) -> None:
    """Change a route that was made through the API; a list takes the place of the whole list."""
    document = _document(number, region, trunk, direction, when_none_available)
    document.update(_when(time, timezone, failback_ramp))
    document.update(dict.fromkeys(clear or ()))
    if not document:
        raise WrongUsage(
            "Nothing is to be changed; 'trunkpulse routes edit --help' says what can be."
        )
    _say(api, api.patch(f"{PATH}/{segment(route_id)}", document), "is changed")


def delete(api: Api, route_id: RouteId) -> None:
    """Delete a route that was made through the API; its calls go by what else there is."""
    api.delete(f"{PATH}/{segment(route_id)}")
    if api.as_json:
        print_json({"id": route_id, "deleted": True})
    else:
        print_line(f"{route_id} is deleted.")


def _document(
    numbers: list[str] | None,
    regions: list[str] | None,
    trunks: list[str] | None,
    direction: Direction | None,
    when_none_available: WhenNoneAvailable | None,
) -> dict[str, object]:
    said: dict[str, object] = {
        "numbers": numbers,
        "regions": regions,
        "trunks": [_trunk(each) for each in trunks] if trunks else None,
        "direction": None if direction is None else direction.value,
        "whenNoneAvailable": None if when_none_available is None else when_none_available.value,
    }
    return {member: value for member, value in said.items() if value}


def _when(
    times: list[str] | None, timezone: str | None, ramp_seconds: float | None
) -> dict[str, object]:
    said: dict[str, object] = {
        "times": [_hours(each) for each in times] if times else None,
        "timezone": timezone,
        "failbackRampSeconds": ramp_seconds,
    }
    return {member: value for member, value in said.items() if value is not None}


def _hours(text: str) -> dict[str, object]:
    found = _TIME.fullmatch(text.replace(",", " "))
    if found is None:
        raise WrongUsage(
            f"--time {shown(text)} must be days, and then when it begins and ends, such as "
            '"mon-fri 08:00-18:00", or only the latter.'
        )
    return {"days": (found[1] or "").split(), "from": found[2], "to": found[3]}


def _trunk(text: str) -> dict[str, object]:
    trunk_id, *ranks = text.split(":")
    names = ("priority", "weight")
    if len(ranks) > len(names) or not all(_RANK.fullmatch(each) for each in ranks):
        raise WrongUsage(
            f"--trunk {shown(text)} must be an id, and then perhaps its priority and its weight, "
            "such as carrier-a:1:100."
        )
    return {"id": trunk_id, **{name: int(rank) for name, rank in zip(names, ranks, strict=False)}}


def _say(api: Api, route: Document, done: str) -> None:
    if api.as_json:
        print_json(route.members)
        return
    print_line(f"{route.text('id')} {done}.")
    for each in route.documents("advice"):
        style = "yellow" if each.text("severity") == "warning" else "dim"
        print_line(paint("advice", style), f"  {each.text('where')}: {each.text('detail')}")

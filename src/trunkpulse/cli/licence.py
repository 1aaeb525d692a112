"""``trunkpulse license``: what the licence of an installation covers, and until when."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, over_api
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.moments import MOMENT, moment_ms
from trunkpulse.cli.output import clock_time, paint, print_json, print_line, print_table
from trunkpulse.config.wording import shown

__all__ = ["license_group"]

PATH: Final = "/api/v2/license"
MEMBERS: Final = {
    "talk": "talk",
    "advanced-telephony": "advancedTelephony",
    "event-streams": "eventStreams",
}
"""Of the API's document, by what an entitlement is called."""
STYLES: Final = {"active": "green", "suspended": "red", "expired": "red"}
EFFECTS: Final = {
    "talk": "every trunk is DOWN and none is probed",
    "advanced-telephony": "advanced settings and routes cannot be saved",
    "event-streams": "events wait and are not delivered",
}

license_group = typer.Typer(
    help="What the licence of this installation covers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@license_group.command("show")
@over_api
def show(api: Api) -> None:
    """Show each entitlement and until when it holds."""
    _print(api, api.get(PATH))


@license_group.command("set")
@over_api
def set_entitlements(
    api: Api,
    entitlements: Annotated[
        list[str],
        typer.Argument(
            metavar="ENTITLEMENT=STATUS…",
            help="Such as talk=active or event-streams=suspended; the others stay as they are.",
        ),
    ],
    *,
    until: Annotated[
        str | None,
        typer.Option(metavar=MOMENT, help="When those named end; without it, never."),
    ] = None,
) -> None:
    """Set entitlements: talk, advanced-telephony, event-streams to active or suspended."""
    given = [_given(each) for each in entitlements]
    until_ms = None if until is None else moment_ms(until, "--until")
    present, etag = api.get_with_etag(PATH)
    document = {
        member: {"status": _kept(present.document(member)), "until": _until(present, member)}
        for member in MEMBERS.values()
    }
    for name, status in given:
        document[MEMBERS[name]] = {"status": status, "until": until_ms}
    _print(api, api.put(PATH, document, if_match=etag))


def _given(text: str) -> tuple[str, str]:
    name, equals, status = text.partition("=")
    if name not in MEMBERS or not equals or status not in ("active", "suspended"):
        raise WrongUsage(
            f"{shown(text)} is no entitlement with its status; write such as talk=active, with"
            f" {', '.join(MEMBERS)} and active or suspended."
        )
    return name, status


def _kept(grant: Document) -> str:
    """What was set, of what holds: an end that has come is no suspension."""
    return "suspended" if grant.text("status") == "suspended" else "active"


def _until(present: Document, member: str) -> int | None:
    until = present.document(member).number_or_none("until")
    return None if until is None else int(until)


def _print(api: Api, document: Document) -> None:
    if api.as_json:
        print_json(document.members)
        return
    rows = []
    lacking = []
    for name, member in MEMBERS.items():
        grant = document.document(member)
        status, until = grant.text("status"), grant.number_or_none("until")
        never = "for ever" if status == "active" else "-"
        end = never if until is None else clock_time(until)
        rows.append((name, paint(status, STYLES.get(status, "")), end))
        if status != "active":
            lacking.append(name)
    print_table(("entitlement", "status", "until"), rows, none="")
    for name in lacking:
        print_line(f"Without {name} {EFFECTS[name]}.")

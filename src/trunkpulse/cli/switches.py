"""``trunkpulse switches``: what is told which trunks are alive, and whether it does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import (
    Cell,
    ago,
    paint,
    print_json,
    print_line,
    print_table,
)

__all__ = ["switches"]

PATH = "/api/v2/telephony/switches"

switches = typer.Typer(
    help="Proxies and PBXes that are told which trunks are alive.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SwitchId = Annotated[str, typer.Argument(metavar="ID", help="The switch's id.")]


@switches.command("list")
@over_api
def list_switches(api: Api) -> None:
    """List the switches, and how they stand."""
    found = [each for page in api.pages(PATH) for each in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [each.members for each in found], "nextCursor": None})
        return
    print_table(
        ("id", "type", "connection", "in sync", "last read", "entries", "unmatched", "drifts"),
        (
            (
                each.text("id"),
                each.text("type"),
                _connection(each),
                _in_sync(each),
                ago(each.number_or_none("lastRead")),
                *(f"{each.number(key):g}" for key in ("entries", "unmatched", "drifts")),
            )
            for each in found
        ),
        none="There are no switches; [[switches]] of the configuration file declares them.",
    )
    _print_problems(found)


@switches.command()
@over_api
def show(
    api: Api,
    switch_id: SwitchId,
    *,
    differing: Annotated[
        bool, typer.Option("--differing", help="Only entries that are yet to be written.")
    ] = False,
) -> None:
    """Show one switch: how it stands, and each of its entries."""
    path = f"{PATH}/{segment(switch_id)}"
    switch = api.get(path)
    query = {"differing": "true" if differing else None}
    entries = [
        each for page in api.pages(f"{path}/entries", query) for each in page.documents("entities")
    ]
    if api.as_json:
        print_json({**switch.members, "entries": [each.members for each in entries]})
        return
    _print_facts(switch)
    print_line()
    print_table(
        ("entry", "trunks", "wanted", "has", "drifts", "note"),
        (
            (
                each.text("key"),
                ", ".join(each.texts("trunks")) or "-",
                _up(each, "wanted"),
                _up(each, "has"),
                f"{each.number('drifts'):g}",
                _note(each),
            )
            for each in entries
        ),
        none="There are no such entries.",
    )


@switches.command()
@over_api
def sync(api: Api, switch_id: SwitchId) -> None:
    """Read a switch now and put it right.

    Ends with 1 if that was not possible.
    """
    switch = api.post(f"{PATH}/{segment(switch_id)}/sync", None)
    if api.as_json:
        print_json(switch.members)
    else:
        _print_facts(switch)
    raise typer.Exit(0 if switch.text_or_none("problem") is None else 1)


def _print_facts(switch: Document) -> None:
    facts: tuple[tuple[str, Cell], ...] = (
        ("type", switch.text("type")),
        ("url", switch.text("url")),
        ("connection", _connection(switch)),
        ("in sync", _in_sync(switch)),
        ("last read", ago(switch.number_or_none("lastRead"))),
        ("written", f"{switch.number('orders'):g}"),
        ("drifts", f"{switch.number('drifts'):g}"),
        ("failures", f"{switch.number('failures'):g}"),
        ("unmatched", f"{switch.number('unmatched'):g} of {switch.number('entries'):g}"),
    )
    print_line(paint(switch.text("id"), "bold"))
    print_line()
    for name, value in facts:
        print_line(paint(f"{name:<12}", "dim"), value)
    _print_problems([switch])


def _print_problems(found: Sequence[Document]) -> None:
    for each in found:
        problem = each.text_or_none("problem")
        if problem is not None:
            print_line()
            print_line(paint(f"{each.text('id')}: {problem}", "yellow"))


def _connection(switch: Document) -> Cell:
    text = switch.text("connection")
    return paint(text, {"connected": "green", "off": "dim"}.get(text, "red"))


def _in_sync(switch: Document) -> Cell:
    if switch.flag("inSync"):
        return paint("yes", "green")
    if switch.text("connection") == "off":
        return "-"
    if switch.flag("dryRun"):
        return paint(f"no, dry run: {switch.number('differing'):g} to write", "yellow")
    return paint("no", "red")


def _up(entry: Document, key: str) -> Cell:
    if entry.members.get(key) is None:
        return "-"
    return paint("up", "green") if entry.flag(key) else paint("down", "red")


def _note(entry: Document) -> str:
    problem = entry.text_or_none("problem")
    if problem is not None:
        return problem
    if entry.flag("held"):
        return "taken out by hand; left alone"
    if entry.flag("kept"):
        return "the last one of its group stays up"
    if entry.flag("unproven"):
        return "not known yet since the start; left as it is"
    if not entry.texts("trunks"):
        return "no trunk leads there; left alone"
    return ""
